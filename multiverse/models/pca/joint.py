"""Multiple factor analysis: one set of components for several modalities.

Each modality's own components, divided by its first singular value, stand side by side, and
their principal components are the result (Escofier and Pagès 1994, doi
10.1016/0167-9473(94)90135-X): no modality leads only because it has more features or variance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from multiverse.models.pca.components import Array, Centred, Matrix, principal_components


@dataclass(frozen=True)
class Joint:
    """Scores (n_cells × k), and the share of each modality's variance that they explain."""

    scores: Array
    explained: Mapping[str, float]


def joint_components(
    modalities: Mapping[str, Matrix], n_components: int, *, balanced: bool = True
) -> Joint:
    """Return joint components of matrices (n_cells × n_features) with the same cells.

    With one modality these are its principal components. ``balanced`` divides each block by its
    first singular value; without it blocks keep their variance, as if features were pooled.
    """
    blocks = {name: principal_components(part, n_components) for name, part in modalities.items()}
    if len(blocks) == 1:
        scores = next(iter(blocks.values())).scores
    else:
        side_by_side = np.hstack(
            [b.scores / (b.singular_values[0] if balanced else 1.0) for b in blocks.values()]
        )
        scores = principal_components(side_by_side, n_components).scores
    explained = {name: _explained(part, scores) for name, part in modalities.items()}
    return Joint(scores, explained)


def _explained(matrix: Matrix, scores: Array) -> float:
    """Return the share of a modality's variance in the span of the scores, 0 to 1."""
    basis = scores / np.linalg.norm(scores, axis=0)
    centred = Centred.of(matrix)
    inside = centred.transposed_times(basis)
    return float(np.vdot(inside, inside) / centred.squared_norm())
