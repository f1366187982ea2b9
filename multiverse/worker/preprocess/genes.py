"""The choice of genes that vary more than their mean explains, within batches.

Variance-stabilised selection of Stuart et al. 2019 (doi 10.1016/j.cell.2019.05.031), known as
``seurat_v3``: a local regression of log variance on log mean gives each gene's expected
standard deviation; counts are standardised by it and clipped at sqrt(n_cells); genes are
ranked by the variance that remains.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from multiverse.worker.preprocess.counts import Mask

Vector = NDArray[np.float64]
#: Share of the genes in one local regression.
SPAN = 0.3
#: With fewer different means the regression has too few points in a span; its C code may crash.
MIN_MEANS = 40


def variable_genes(counts: csr_matrix, n_top: int, batch: NDArray[np.str_] | None = None) -> Mask:
    """Choose the ``n_top`` most variable genes, as a mask (n_genes,); all, if there are no more.

    With batches, genes are ranked in each, and ordered by the median of the ranks that are
    among the first ``n_top``; ties go to the gene chosen in more batches.
    """
    n_genes = counts.shape[1]
    chosen = np.zeros(n_genes, dtype=bool)
    if n_top >= n_genes:
        return ~chosen
    parts = [counts] if batch is None else [counts[batch == name] for name in np.unique(batch)]
    scores = [standardised_variance(part) for part in parts if part.shape[0] > 1]
    if not scores:  # each cell is a batch of its own: nothing can be told within batches
        scores = [standardised_variance(counts)]
    ranks = np.vstack([np.argsort(np.argsort(-score)) for score in scores]).astype(float)
    ranks[ranks >= n_top] = np.nan
    n_chosen = np.isfinite(ranks).sum(axis=0)
    middle = np.full(n_genes, np.inf)
    middle[n_chosen > 0] = np.nanmedian(ranks[:, n_chosen > 0], axis=0)
    order = np.lexsort((np.arange(n_genes), -n_chosen, middle))
    chosen[order[:n_top]] = True
    return chosen


def standardised_variance(counts: csr_matrix) -> Vector:
    """Return each gene's variance after standardising and clipping, (n_genes,); 0 if constant."""
    n_cells = counts.shape[0]
    mean, variance = _moments(counts)
    expected = _expected_deviation(mean, variance)
    ceiling = expected * np.sqrt(n_cells) + mean
    columns = counts.indices
    clipped = np.minimum(counts.data.astype(np.float64), ceiling[columns])
    total = np.bincount(columns, weights=clipped, minlength=len(mean))
    squares = np.bincount(columns, weights=clipped**2, minlength=len(mean))
    spread = n_cells * mean**2 + squares - 2 * total * mean
    return spread / ((n_cells - 1) * expected**2)


def _moments(counts: csr_matrix) -> tuple[Vector, Vector]:
    """Return mean and unbiased variance of each gene."""
    n_cells, n_genes = counts.shape
    values = counts.data.astype(np.float64)
    mean = np.bincount(counts.indices, weights=values, minlength=n_genes) / n_cells
    squares = np.bincount(counts.indices, weights=values**2, minlength=n_genes) / n_cells
    return mean, (squares - mean**2) * n_cells / (n_cells - 1)


def _expected_deviation(mean: Vector, variance: Vector) -> Vector:
    """Return the standard deviation that the mean leads one to expect; 1 for constant genes."""
    varies = variance > 1e-12
    deviation = np.ones_like(mean)
    x, y = np.log10(mean[varies]), np.log10(variance[varies])
    if len(x):
        deviation[varies] = np.sqrt(10 ** _trend(x, y))
    return deviation


def _trend(x: Vector, y: Vector) -> Vector:
    """Fit a local quadratic regression; one parabola where too few means differ."""
    n_means = len(np.unique(x))
    fitted = _local_regression(x, y) if n_means >= MIN_MEANS else None
    if fitted is not None and np.isfinite(fitted).all():
        return fitted
    degree = min(2, n_means - 1)
    parabola: Vector = np.polynomial.Polynomial.fit(x, y, degree)(x)
    return parabola


def _local_regression(x: Vector, y: Vector) -> Vector | None:
    """Fit Cleveland's loess, as scanpy and Seurat use it; None where it finds no solution."""
    from skmisc.loess import loess

    model = loess(x, y, span=SPAN, degree=2)
    try:
        model.fit()
    except ValueError:
        return None
    return np.asarray(model.outputs.fitted_values, dtype=np.float64)
