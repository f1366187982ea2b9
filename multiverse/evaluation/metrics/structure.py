"""Structure, which needs no labels: neighbourhoods kept in each modality and from seed to seed."""

from __future__ import annotations

import numpy as np

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate
from multiverse.evaluation.metric import Metric
from multiverse.evaluation.modalities import ModalityView
from multiverse.evaluation.needs import MIN_CELLS, Need
from multiverse.evaluation.neighbours import shared


def neighbourhood_preservation(case: Case) -> Estimate:
    """Return the mean, over modalities, of the share of a cell's neighbours there that it keeps.

    Neighbours are the ``structure_neighbours`` nearest other cells, in the modality's own
    components and in the embedding, both among the cells that were measured in the modality.
    """
    views = [view for view in case.modalities.values() if len(view.cells) >= MIN_CELLS]
    parts = {view.name: _kept(case, view) for view in views}
    return Estimate(float(np.mean(list(parts.values()))), case.whole.cells, parts)


def _kept(case: Case, view: ModalityView) -> float:
    whole = len(view.cells) == case.sheet.n_cells
    space = case.whole if whole else case.whole.take(view.cells)
    share = shared(view.neighbours, space.neighbours.others(view.neighbours.shape[1]))
    return float(share.mean())


def seed_stability(case: Case) -> Estimate:
    """Return the mean, over the other seeds, of the share of a cell's neighbours that both have."""
    own = case.whole.neighbours
    parts = {
        run_id: float(shared(own.others(found.shape[1]), found).mean())
        for run_id, found in case.siblings.items()
    }
    return Estimate(float(np.mean(list(parts.values()))), case.whole.cells, parts)


METRICS = (
    Metric(
        "neighbourhood_preservation",
        "Neighbourhoods kept",
        Group.STRUCTURE,
        "The share of a cell's nearest neighbours in each modality that are its neighbours in the "
        "embedding too; mean over modalities. Needs no labels. By chance: k / (n - 1).",
        "multiverse",
        (Need.CELLS, Need.MODALITIES, Need.NEIGHBOURHOODS),
        neighbourhood_preservation,
        by_neighbours=True,
        in_halves=False,
    ),
    Metric(
        "seed_stability",
        "Seed stability",
        Group.STRUCTURE,
        "The share of a cell's nearest neighbours that another seed of the same configuration "
        "finds too. 1: the seed does not matter.",
        "multiverse",
        (Need.CELLS, Need.NEIGHBOURHOODS, Need.SEEDS),
        seed_stability,
        by_neighbours=True,
        in_halves=False,
    ),
)
