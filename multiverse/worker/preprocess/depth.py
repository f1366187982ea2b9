"""Sequencing depth: how many counts a cell has, and which components of an embedding follow it.

Depth is mostly technical. In sparse data, ATAC above all, a component may hold hardly anything
else, and clusters are then of deep and shallow cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from multiverse.worker.preprocess.counts import as_counts, cell_totals

Vector = NDArray[np.float64]
#: A component whose rank correlation with depth is above this, either way, follows depth.
FOLLOWS_DEPTH = 0.75


def log_depth(counts: Any) -> Vector:
    """Return log(1 + total counts) of each cell of ``counts`` (n_cells, n_features), (n_cells,)."""
    depth: Vector = np.log1p(cell_totals(as_counts(counts)))
    return depth


def depth_correlations(components: NDArray[np.floating], depth: Vector) -> Vector:
    """Return Spearman's correlation of each component with depth, (n_components,).

    ``components`` is (n_cells, n_components), ``depth`` (n_cells,). NaN where either is the same
    in all cells.
    """
    ranks, of_depth = centred_ranks(components), centred_ranks(depth[:, None])
    lengths = np.linalg.norm(ranks, axis=0) * np.linalg.norm(of_depth)
    products = (of_depth.T @ ranks)[0]
    found: Vector = np.full(len(lengths), np.nan)
    np.divide(products, lengths, out=found, where=lengths > 0)
    return found


def centred_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return ranks within each column minus their mean, same shape (n, k); ties share a rank."""
    from scipy.stats import rankdata

    ranks: NDArray[np.float64] = rankdata(values, axis=0) - (len(values) + 1) / 2
    return ranks
