"""Whether an embedding is laid out by sequencing depth, which is mostly technical."""

from __future__ import annotations

import numpy as np

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate
from multiverse.evaluation.metric import Metric
from multiverse.evaluation.modalities import ModalityView
from multiverse.evaluation.needs import Need, deep_views
from multiverse.worker.preprocess.depth import FOLLOWS_DEPTH, depth_correlations

#: Dimensions whose ranks are in double precision at a time.
AT_A_TIME = 64


def depth_correlation(case: Case) -> Estimate:
    """Return the largest rank correlation of any dimension with any modality's depth, 0 to 1."""
    found = {view.name: _largest(case, view) for view in deep_views(case)}
    high = [f"{name} ({value:.2f})" for name, value in found.items() if value > FOLLOWS_DEPTH]
    remark = f"a dimension follows the counts per cell of {', '.join(high)}" if high else ""
    return Estimate(max(found.values()), case.whole.cells, found, remark)


def _largest(case: Case, view: ModalityView) -> float:
    """Return the largest correlation over the cells that the modality was measured in."""
    points = case.points[view.cells]
    parts = [
        depth_correlations(points[:, first : first + AT_A_TIME], view.depth)
        for first in range(0, points.shape[1], AT_A_TIME)
    ]
    return float(np.nanmax(np.abs(np.concatenate(parts))))


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
        in_halves=False,
    ),
)
