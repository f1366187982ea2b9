"""Whether an embedding is laid out by sequencing depth, which is mostly technical."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate, Statistic, Values, Weights
from multiverse.evaluation.metric import Metric
from multiverse.evaluation.modalities import ModalityView
from multiverse.evaluation.needs import Need, deep_views
from multiverse.evaluation.neighbours import Matrix
from multiverse.worker.preprocess.depth import FOLLOWS_DEPTH, centred_ranks

#: Dimensions whose ranks are in double precision at a time.
AT_A_TIME = 64


def depth_correlation(case: Case) -> Estimate:
    """Return the largest rank correlation of any dimension with any modality's depth, 0 to 1."""
    parts = {view.name: _largest(case, view) for view in deep_views(case)}
    ones = np.ones(case.sheet.n_cells)
    found = {name: part(ones) for name, part in parts.items()}

    def again(weights: Weights) -> float:
        known = [value for part in parts.values() if np.isfinite(value := part(weights))]
        return max(known, default=float("nan"))

    high = [f"{name} ({value:.2f})" for name, value in found.items() if value > FOLLOWS_DEPTH]
    remark = f"a dimension follows the counts per cell of {', '.join(high)}" if high else ""
    return Estimate.of(case.whole.cells, again, found, remark)


def _largest(case: Case, view: ModalityView) -> Statistic:
    """Return the largest correlation over the cells that the modality was measured in."""
    correlations = rank_correlations(case.points[view.cells], view.depth)

    def again(weights: Weights) -> float:
        found = np.abs(correlations(weights[view.cells]))
        known = found[np.isfinite(found)]
        return float(known.max()) if len(known) else float("nan")

    return again


def rank_correlations(points: Matrix, depth: Values) -> Callable[[Weights], NDArray[np.float64]]:
    """Return Spearman's correlation of each dimension with depth, for cells with weights.

    ``points`` is (n_cells, n_dims), ``depth`` and the weights (n_cells,); what is returned gives
    (n_dims,), NaN where a dimension is the same in all cells. Ranks are those among all cells,
    whatever the weights.
    """
    ranks = (centred_ranks(points) / len(points)).astype(np.float32)
    of_depth = centred_ranks(depth[:, None])[:, 0] / len(depth)

    def again(weights: Weights) -> NDArray[np.float64]:
        total = weights.sum()
        apart = weights * (of_depth - weights @ of_depth / total)
        of_depths = float(apart @ of_depth)
        found = np.full(ranks.shape[1], np.nan)
        for first in range(0, ranks.shape[1], AT_A_TIME):
            block = ranks[:, first : first + AT_A_TIME].astype(np.float64)
            variances = weights @ np.square(block) - np.square(weights @ block) / total
            known = variances * of_depths > 1e-12
            np.divide(
                apart @ block,
                np.sqrt(variances * of_depths, where=known, out=np.ones_like(variances)),
                out=found[first : first + AT_A_TIME],
                where=known,
            )
        return found

    return again


METRICS = (
    Metric(
        "depth_correlation",
        "Follows depth",
        Group.STRUCTURE,
        "The largest rank correlation (Spearman, without its sign) of any one dimension with the "
        "counts per cell of a modality; the largest over modalities. Depth is mostly technical: "
        f"above {FOLLOWS_DEPTH} cells may lie together because they are equally deep. Cell types "
        "differ in depth too, so that 0 is no aim.",
        "multiverse",
        (Need.CELLS, Need.MODALITIES, Need.DEPTH),
        depth_correlation,
        higher_is_better=False,
    ),
)
