"""How much memory a factorisation needs, from the sizes of its views.

With n cells, p features in all modalities together, q in the largest one, and numbers of b
bytes, it is about b · (SMALL · n · p + LARGE · n · q + KERNELS · Σ features²): L-BFGS keeps five
pairs of steps and gradients over the n · p dual variables, its line search half a dozen more;
data, duals, gradients and the copy of the last point add their own. The loss of one modality
needs as many matrices of its size again. Kernels are small beside that unless features are many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiverse.models.mowgli.settings import Settings
    from multiverse.worker.preprocess import View

#: Matrices of n × p: data and dual (3), L-BFGS (10 + 5), line search (8), last point and such (2).
SMALL = 28
#: The same for optimisers without a history: data, dual, gradient, two moments, last point.
SMALL_WITHOUT_HISTORY = 8
#: Matrices of n × q that the loss of one modality and its gradient keep at the same time.
LARGE = 8
#: The ground cost in double precision and the kernel, in numbers of b bytes.
KERNELS = 4
#: Python with PyTorch, before any data.
BASE_BYTES = 450 * 1024**2


def bytes_needed(views: Sequence[View], settings: Settings) -> int:
    """Peak memory of the process in bytes, on a CPU."""
    n_cells = int(views[0].values.shape[0])
    sizes = [len(view.features) for view in views]
    kept = SMALL if settings.optimizer == "lbfgs" else SMALL_WITHOUT_HISTORY
    numbers = n_cells * (kept * sum(sizes) + LARGE * max(sizes))
    numbers += KERNELS * sum(size**2 for size in sizes)
    return BASE_BYTES + settings.value_bytes * numbers
