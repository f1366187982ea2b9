"""ADT: centred log-ratio per cell (Stoeckius et al. 2017, doi 10.1038/nmeth.4380).

Counts of 0 are common, so the logarithm is of 1 + x. Both variants are dense.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix


def clr(counts: csr_matrix) -> NDArray[np.float32]:
    """Return log(1 + x) minus its mean over the cell's proteins, (n_cells, n_proteins).

    Rows sum to 0.
    """
    logs = _logs(counts)
    centred: NDArray[np.float64] = logs - logs.mean(axis=1, keepdims=True)
    return centred.astype(np.float32)


def clr_non_negative(counts: csr_matrix) -> NDArray[np.float32]:
    """Return log(1 + x / g) of (n_cells, n_proteins), g the geometric mean of 1 + x of the cell.

    Never negative.
    """
    mean = np.exp(_logs(counts).mean(axis=1, keepdims=True))
    ratio: NDArray[np.float64] = np.log1p(counts.toarray() / mean)
    return ratio.astype(np.float32)


def _logs(counts: csr_matrix) -> NDArray[np.float64]:
    return np.log1p(counts.toarray().astype(np.float64))
