"""One set of components for several modalities, none of which leads by its size or its depth.

Each modality's own components, divided by a size, stand side by side, and their principal
components are the result. Multiple factor analysis (Escofier and Pagès 1994, doi
10.1016/0167-9473(94)90135-X) takes the first singular value for the size; the default here is the
root of the variance of all components, which does not enlarge a modality whose variance is spread
evenly, as that of noise is. Either is taken of the components that do not follow sequencing depth:
one that does can hold most of the variance, and would decide the modality's weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from multiverse.models.pca.components import Array, Centred, Matrix, principal_components
from multiverse.worker.preprocess import FOLLOWS_DEPTH, depth_correlations

Weighting = Literal["variance", "mfa", "none"]
#: Own components of a modality beyond those asked for, to take the place of what is dropped.
SPARE = 5


@dataclass(frozen=True)
class OwnComponents:
    """One modality's own components that are used, and what is known of depth.

    ``scores`` is (n_cells, k), before any weight. ``correlations``: of each component that was
    found, used or dropped, with the modality's depth; NaN where depth is not known or the same in
    all cells. ``size`` is what the modality is divided by.
    """

    scores: Array
    correlations: Array
    size: float
    n_dropped: int


@dataclass(frozen=True)
class Joint:
    """Scores (n_cells × k), and the share of each modality's variance that they explain."""

    scores: Array
    explained: Mapping[str, float]
    own: Mapping[str, OwnComponents]


def joint_components(
    modalities: Mapping[str, Matrix],
    n_components: int,
    *,
    weighting: Weighting = "variance",
    depths: Mapping[str, Array] | None = None,
    drop_depth: bool = False,
) -> Joint:
    """Return joint components of matrices (n_cells × n_features) with the same cells.

    With one modality these are its principal components. ``none`` as weighting leaves blocks
    their variance, as if features were pooled. ``depths``: the depth of each cell in each
    modality, (n_cells,); ``drop_depth`` leaves out of each block the components that follow it,
    where any other is left.
    """
    unknown = np.zeros(next(iter(modalities.values())).shape[0])
    own = {
        name: _own(part, n_components, weighting, (depths or {}).get(name, unknown), drop_depth)
        for name, part in modalities.items()
    }
    if len(own) == 1:
        scores = next(iter(own.values())).scores
    else:
        side_by_side = np.hstack([block.scores / block.size for block in own.values()])
        scores = principal_components(side_by_side, n_components).scores
    explained = {name: _explained(part, scores) for name, part in modalities.items()}
    return Joint(scores, explained, own)


def _own(
    matrix: Matrix, n_components: int, weighting: Weighting, depth: Array, drop: bool
) -> OwnComponents:
    found = principal_components(matrix, n_components + SPARE)
    correlations = depth_correlations(found.scores, depth)
    follows = np.abs(correlations) > FOLLOWS_DEPTH
    if follows.all():  # nothing else is left of this modality
        follows = np.zeros_like(follows)
    used = np.flatnonzero(~follows if drop else np.ones_like(follows))[:n_components]
    seen = slice(used[-1] + 1)
    return OwnComponents(
        found.scores[:, used],
        correlations[seen],
        _size(found.singular_values[~follows][:n_components], weighting),
        int(follows[seen].sum()) if drop else 0,
    )


def _size(singular_values: Array, weighting: Weighting) -> float:
    """Return the size of a modality by singular values (k,) of components without depth."""
    if weighting == "none":
        return 1.0
    return float(singular_values[0] if weighting == "mfa" else np.linalg.norm(singular_values))


def _explained(matrix: Matrix, scores: Array) -> float:
    """Return the share of a modality's variance in the span of the scores, 0 to 1."""
    basis = scores / np.linalg.norm(scores, axis=0)
    centred = Centred.of(matrix)
    inside = centred.transposed_times(basis)
    return float(np.vdot(inside, inside) / centred.squared_norm())
