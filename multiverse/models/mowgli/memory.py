"""The memory that a factorisation needs, from the sizes of its views.

With n cells, p features in all modalities together, q in the largest one, and numbers of b
bytes, it is about BASE + b · (SMALL · n · p + LARGE · n · q + KERNELS · Σ features²). L-BFGS
keeps five pairs of steps and gradients over the n · p dual variables, its line search and their
flat copies a dozen more; data, duals and gradients add their own. The loss of one modality and
its gradient need matrices of its size again. Kernels are small beside that unless features are
many. The factors were fitted to measured peaks (200 to 800 features, 3,000 to 8,000 cells).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiverse.models.mowgli.settings import MowgliSettings
    from multiverse.worker.preprocess import View

#: Matrices of n × p that live through an inner step of L-BFGS.
SMALL = 30
#: The same for optimisers without a history: data, dual, gradient, two moments, last point.
SMALL_WITHOUT_HISTORY = 8
#: Matrices of n × q that come and go with the loss and its gradient.
LARGE = 20
#: The ground cost in double precision and the kernel, in numbers of b bytes.
KERNELS = 4
#: Python with PyTorch and the libraries for data, before any data.
BASE_BYTES = 540 * 1024**2


def bytes_needed(views: Sequence[View], settings: MowgliSettings) -> int:
    """Return the peak memory of the process in bytes, on a CPU; views are (n_cells, n_features)."""
    n_cells = int(views[0].values.shape[0])
    sizes = [len(view.features) for view in views]
    kept = SMALL if settings.optimizer == "lbfgs" else SMALL_WITHOUT_HISTORY
    numbers = n_cells * (kept * sum(sizes) + LARGE * max(sizes))
    numbers += KERNELS * sum(size**2 for size in sizes)
    return BASE_BYTES + settings.value_bytes * numbers
