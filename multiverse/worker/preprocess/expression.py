"""RNA for Gaussian and non-negative methods."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from multiverse.worker.preprocess.counts import cell_totals, inverse_or_zero, scale_rows


def log_normalise(counts: csr_matrix, target_sum: float = 1e4) -> csr_matrix:
    """Return log(1 + target_sum · count / counts of the cell), (n_cells, n_genes) CSR float32."""
    scaled = scale_rows(counts, target_sum * inverse_or_zero(cell_totals(counts)))
    scaled.data = np.log1p(scaled.data)
    return scaled
