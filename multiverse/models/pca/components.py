"""Principal components of one matrix, sparse or dense, without ever centring it in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Matrix = csr_matrix | NDArray[Any]
Array = NDArray[np.float64]

#: Up to this many cells or features the full spectrum costs less than an iterative solver.
SMALL = 1000
#: Directions below this share of the first singular value are rounding, not data.
RANK_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Components:
    """Scores (n_cells × k, column lengths are the singular values) and singular values (k,)."""

    scores: Array
    singular_values: Array


@dataclass(frozen=True)
class Centred:
    """``matrix`` minus the mean of each column, as products only."""

    matrix: Matrix
    mean: Array

    @classmethod
    def of(cls, matrix: Matrix) -> Centred:
        """Centre ``matrix`` (n_cells × n_features) by the means of its columns."""
        wide = matrix.astype(np.float64)
        return cls(wide, np.asarray(wide.mean(axis=0), dtype=np.float64).ravel())

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.matrix.shape
        return rows, columns

    def times(self, right: Array) -> Array:
        """Return (X - 1 mean') @ right, (n_cells, k), with ``right`` (n_features, k)."""
        product: Array = self.matrix @ right - self.mean @ right
        return product

    def transposed_times(self, left: Array) -> Array:
        """Return (X - 1 mean')' @ left, (n_features, k), with ``left`` (n_cells, k)."""
        shift = self.mean * left.sum() if left.ndim == 1 else np.outer(self.mean, left.sum(axis=0))
        product: Array = self.matrix.T @ left - shift
        return product

    def squared_norm(self) -> float:
        """Return the sum of squares of all centred values: n_cells times the total variance."""
        values = self.matrix if isinstance(self.matrix, np.ndarray) else self.matrix.data
        return float(np.vdot(values, values) - self.shape[0] * np.vdot(self.mean, self.mean))


def principal_components(matrix: Matrix, n_components: int) -> Components:
    """Return the first components of ``matrix`` (n_cells × n_features), at most its rank.

    The same input gives the same bits. The sign of a component is such that the cell farthest
    from the mean lies on its positive side.
    """
    centred = Centred.of(matrix)
    k = min(n_components, centred.shape[0] - 1, centred.shape[1])
    if min(centred.shape) <= max(SMALL, 2 * k):
        left, values = _by_gram_matrix(centred)
    else:
        left, values = _by_lanczos(centred, k)
    keep = (values > RANK_TOLERANCE * values[0])[: len(values)]
    left, values = left[:, keep][:, :k], values[keep][:k]
    farthest = np.abs(left).argmax(axis=0)
    left = left * np.sign(left[farthest, np.arange(left.shape[1])])
    return Components(left * values, values)


def _by_lanczos(centred: Centred, k: int) -> tuple[Array, Array]:
    """Compute them by ARPACK from a fixed start (its default start is random)."""
    from scipy.sparse.linalg import LinearOperator, svds

    operator = LinearOperator(
        shape=centred.shape,
        matvec=lambda vector: centred.times(np.ravel(vector)),
        rmatvec=lambda vector: centred.transposed_times(np.ravel(vector)),
        matmat=centred.times,
        rmatmat=centred.transposed_times,
        dtype=np.float64,
    )
    start = np.random.RandomState(0).uniform(-1, 1, size=min(centred.shape))
    found = svds(operator, k=k, v0=start, solver="arpack")
    left, values = (np.asarray(part, dtype=np.float64) for part in found[:2])
    order = np.argsort(-values, kind="stable")
    return left[:, order], values[order]


def _by_gram_matrix(centred: Centred) -> tuple[Array, Array]:
    """Return all left singular vectors and values, from the smaller of X X' and X' X."""
    rows, columns = centred.shape
    if rows <= columns:
        squares, left = np.linalg.eigh(_rows_gram(centred))
        all_values: Array = np.sqrt(np.maximum(squares[::-1], 0))
        return left[:, ::-1], all_values
    matrix, mean = centred.matrix, centred.mean
    gram = _dense(matrix.T @ matrix) - rows * np.outer(mean, mean)
    squares, right = np.linalg.eigh(gram)
    values: Array = np.sqrt(np.maximum(squares[::-1], 0))
    positive = values > RANK_TOLERANCE * values[0]
    return centred.times(right[:, ::-1][:, positive]) / values[positive], values[positive]


def _rows_gram(centred: Centred) -> Array:
    matrix, mean = centred.matrix, centred.mean
    cross: Array = np.asarray(matrix @ mean).ravel()
    gram: Array = _dense(matrix @ matrix.T) - cross[:, None] - cross[None, :] + mean @ mean
    return gram


def _dense(matrix: Any) -> Array:
    wide: Array = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
    return wide
