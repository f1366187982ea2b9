"""What neighbourhoods are compared with: a transformation of counts that no model here uses.

Analytic Pearson residuals (Lause, Berens and Kobak 2021, doi 10.1186/s13059-021-02451-7): a count
is expected to be the sum of its cell times the sum of its feature over the sum of all, with the
variance of a negative binomial of fixed overdispersion; the residual is clipped at the root of the
number of cells. The features whose residuals vary most are reduced to principal components.

Residuals are dense, so that they are never held: of all features only their variance is computed,
from counts that are not zero and from the sums that cells and features share; of those chosen, rows
by the block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from multiverse.evaluation.neighbours import Matrix, Wide

THETA = 100.0
N_FEATURES = 2000
N_COMPONENTS = 50
#: Values of a dense block, 32 MiB in double precision.
BLOCK_VALUES = 4 * 1024**2

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class PearsonResiduals:
    """Residuals of counts (n_cells, n_features), by the sums of cells, features and everything.

    A cell without counts has residuals of 0, as has a feature without.
    """

    counts: csr_matrix
    of_cells: Vector
    of_features: Vector
    total: float

    @classmethod
    def of(cls, counts: csr_matrix) -> PearsonResiduals:
        """Return the residuals of CSR counts (n_cells, n_features) without stored zeros."""
        wide = counts.astype(np.float64)
        of_cells = np.asarray(wide.sum(axis=1), dtype=np.float64).ravel()
        of_features = np.asarray(wide.sum(axis=0), dtype=np.float64).ravel()
        return cls(wide, of_cells, of_features, float(of_cells.sum()))

    def _clipped(self, counts: Wide | float, of_cells: Vector, of_features: Vector) -> Wide:
        """Return residuals of counts with these sums; shapes as numpy broadcasts them."""
        expected = of_cells * of_features / self.total
        deviation = np.sqrt(expected + np.square(expected) / THETA)
        found = np.divide(
            counts - expected, deviation, out=np.zeros_like(expected), where=deviation > 0
        )
        ceiling = np.sqrt(self.counts.shape[0])
        clipped: Wide = np.clip(found, -ceiling, ceiling)
        return clipped

    def variances(self) -> Vector:
        """Return the variance of each feature's residuals over the cells, (n_features,).

        Residuals of zeros depend on the sums alone, and many cells and features share theirs.
        """
        n_cells, n_features = self.counts.shape
        sums, squares = np.zeros(n_features), np.zeros(n_features)
        depths, n_of_depth = np.unique(self.of_cells, return_counts=True)
        levels, level = np.unique(self.of_features, return_inverse=True)
        step = max(1, BLOCK_VALUES // len(depths))
        zeros = np.zeros((2, len(levels)))
        for first in range(0, len(levels), step):
            some = slice(first, first + step)
            residuals = self._clipped(0.0, depths, levels[some, None])
            zeros[:, some] = residuals @ n_of_depth, np.square(residuals) @ n_of_depth
        for first in range(0, n_cells, step := self._rows()):
            block = self.counts[first : first + step].tocoo()
            cells, features = self.of_cells[first + block.row], self.of_features[block.col]
            seen = self._clipped(block.data, cells, features)
            unseen = self._clipped(np.zeros_like(block.data), cells, features)
            sums += np.bincount(block.col, seen - unseen, minlength=n_features)
            more = np.square(seen) - np.square(unseen)
            squares += np.bincount(block.col, more, minlength=n_features)
        mean = (zeros[0, level] + sums) / n_cells
        found: Vector = (zeros[1, level] + squares) / n_cells - np.square(mean)
        return np.maximum(found, 0)

    def blocks(self, features: NDArray[np.intp]) -> Iterator[tuple[slice, Wide]]:
        """Yield rows and their residuals, (n_rows, n_chosen), of the chosen features."""
        chosen = self.counts[:, features]
        step = max(1, BLOCK_VALUES // max(1, len(features)))
        for first in range(0, chosen.shape[0], step):
            rows = slice(first, min(first + step, chosen.shape[0]))
            cells, own = self.of_cells[rows, None], self.of_features[features]
            yield rows, self._clipped(chosen[rows].toarray(), cells, own)

    def _rows(self) -> int:
        """Return how many cells at a time have about as many counts as a block has values."""
        n_cells = self.counts.shape[0]
        return max(1, BLOCK_VALUES * n_cells // max(1, self.counts.nnz))


def pearson_components(counts: csr_matrix) -> Matrix:
    """Return at most :data:`N_COMPONENTS` components of counts (n_cells, n_features), (n_cells, k).

    Of the :data:`N_FEATURES` features with the largest residual variance; equals by their order.
    """
    residuals = PearsonResiduals.of(counts)
    variances = residuals.variances()
    ranked = np.argsort(-variances, kind="stable")[:N_FEATURES]
    features = np.sort(ranked[variances[ranked] > 0])
    axes, mean = _axes(residuals, features)
    points = np.empty((counts.shape[0], axes.shape[1]), dtype=np.float32)
    for rows, block in residuals.blocks(features):
        points[rows] = (block - mean) @ axes
    return points


def _axes(residuals: PearsonResiduals, features: NDArray[np.intp]) -> tuple[Wide, Vector]:
    """Return principal axes (n_chosen, k), widest first, and the mean of each chosen feature."""
    from scipy.linalg import eigh

    n_cells, n_chosen = residuals.counts.shape[0], len(features)
    gram, sums = np.zeros((n_chosen, n_chosen)), np.zeros(n_chosen)
    for _, block in residuals.blocks(features):
        gram += block.T @ block
        sums += block.sum(axis=0)
    mean = sums / n_cells
    gram -= n_cells * np.outer(mean, mean)
    k = min(N_COMPONENTS, n_chosen, n_cells - 1)
    _, axes = eigh(gram, subset_by_index=(n_chosen - k, n_chosen - 1))
    axes = axes[:, ::-1]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(k)]
    return axes * np.sign(largest), mean
