"""Principal component regression: how much variance lies between batches, before and after."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate
from multiverse.evaluation.metric import LUECKEN, SCIB_METRICS, Metric
from multiverse.evaluation.modalities import ModalityView
from multiverse.evaluation.needs import Need, spans_batches
from multiverse.evaluation.neighbours import Matrix
from multiverse.evaluation.sheet import CellColumn, Codes


def pcr_comparison(case: Case) -> Estimate:
    """Return the mean, over modalities, of the share of batch variance that is gone.

    For one modality: (before - after) / before, not below 0, where before is that of the
    modality's own components and after that of the embedding.
    """
    batches = case.whole.known_batches
    views = [view for view in case.modalities.values() if spans_batches(view, batches)]
    parts = {view.name: _one_modality(case, view, batches) for view in views}
    return Estimate(float(np.mean(list(parts.values()))), case.whole.cells, parts)


def _one_modality(case: Case, view: ModalityView, batches: CellColumn) -> float:
    """Return the comparison over the cells that the modality was measured in."""
    own = batches.take(view.cells)
    before = batch_share(view.points, own.codes)
    after = batch_share(case.points[view.cells], own.codes)
    return max(0.0, (before - after) / before) if before > 0 else float("nan")


def batch_share(points: Matrix, batches: Codes) -> float:
    """Return the share of variance between batches of points (n_cells, n_dims).

    ``batches`` (n_cells,) are codes from 0. This is principal component regression on a categorical
    covariate over all components: the sum over components of R² times variance, divided by the sum
    of variances. R² times variance is the variance between batches, and rotating the axes changes
    no sum of squares, so that no decomposition is needed.
    """
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    n_cells, n_batches = len(centred), int(batches.max()) + 1
    chosen = csr_matrix((np.ones(n_cells), (batches, np.arange(n_cells))), (n_batches, n_cells))
    sums, sizes = chosen @ centred, np.bincount(batches, minlength=n_batches)
    there = sizes > 0
    overall = sums.sum(axis=0)
    shift = overall @ overall / n_cells
    between = float((np.square(sums[there]).sum(axis=1) / sizes[there]).sum() - shift)
    total = float(np.einsum("ij,ij->", centred, centred) - shift)
    return between / total if total > 0 else float("nan")


METRICS = (
    Metric(
        "pcr_comparison",
        "PCR comparison",
        Group.BATCH,
        "The share of the variance between batches that is gone, against each modality's own "
        "principal components; mean over modalities. 0: as much as before, or more.",
        f"Büttner et al. 2019, doi:10.1038/s41592-018-0254-1; {LUECKEN}; {SCIB_METRICS}",
        (Need.CELLS, Need.BATCH, Need.MODALITIES, Need.BATCHED_MODALITIES),
        pcr_comparison,
    ),
)
