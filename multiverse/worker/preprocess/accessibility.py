"""ATAC: TF-IDF and the choice of peaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from multiverse.worker.preprocess.counts import (
    Mask,
    cell_totals,
    cells_per_feature,
    inverse_or_zero,
    scale_rows,
)


def tfidf(counts: csr_matrix, scale: float = 1e4) -> csr_matrix:
    """Return log(1 + scale · tf · log(1 + N / (1 + df))) of counts (n_cells, n_peaks).

    CSR float32, non-negative, same shape.

    ``tf`` is the share of a peak in the counts of its cell, ``df`` the number of cells with a
    count in the peak, N the number of cells (Cusanovich et al. 2018, doi
    10.1016/j.cell.2018.06.052, with the logarithm of Stuart et al. 2019).
    """
    n_cells = counts.shape[0]
    rarity = np.log1p(n_cells / (1 + cells_per_feature(counts)))
    weighted = scale_rows(counts, scale * inverse_or_zero(cell_totals(counts)))
    weighted.data = np.log1p(weighted.data * rarity[weighted.indices]).astype(np.float32)
    return weighted


def variable_peaks(counts: csr_matrix, n_top: int) -> Mask:
    """Choose the ``n_top`` peaks whose openness varies most, as a mask (n_peaks,).

    The variance of "open or not" is p(1 - p), with p the share of cells that have a count:
    neither peaks open nearly nowhere nor those open everywhere tell cells apart. Ties go to
    the peak that comes first.
    """
    chosen: NDArray[np.bool_] = np.zeros(counts.shape[1], dtype=bool)
    share = cells_per_feature(counts) / max(counts.shape[0], 1)
    chosen[np.argsort(-share * (1 - share), kind="stable")[:n_top]] = True
    return chosen
