"""Counts as every step expects them, and the filter for features that are hardly ever seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Mask = NDArray[np.bool_]


def as_counts(matrix: Any) -> csr_matrix:
    """Return any 2-D matrix as CSR float32 without stored zeros; the input stays as it is."""
    counts = csr_matrix(matrix, dtype=np.float32, copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return counts


def cells_per_feature(counts: csr_matrix) -> NDArray[np.int64]:
    """Count the cells in which each feature has a count, (n_features,)."""
    return np.bincount(counts.indices, minlength=counts.shape[1]).astype(np.int64)


def seen_features(counts: csr_matrix, min_cells: int) -> Mask:
    """Return a mask of features with a count in at least ``min_cells`` cells, (n_features,).

    ``counts`` must not store zeros (:func:`as_counts`).
    """
    return cells_per_feature(counts) >= min_cells


def cell_totals(counts: csr_matrix) -> NDArray[np.float64]:
    """Sum the counts of each cell, (n_cells,), in double precision."""
    return np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()


def scale_rows(counts: csr_matrix, factors: NDArray[np.float64]) -> csr_matrix:
    """Multiply every row (n_cells, n_features) by its factor (n_cells,), as float32."""
    data = counts.data * np.repeat(factors, np.diff(counts.indptr))
    return csr_matrix((data.astype(np.float32), counts.indices, counts.indptr), shape=counts.shape)


def inverse_or_zero(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1/x, same shape, and 0 where x is 0, so that an empty cell stays empty."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
