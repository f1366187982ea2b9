"""Structure, which needs no labels: neighbourhoods kept in each modality and from seed to seed."""

from __future__ import annotations

import numpy as np

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate, Statistic, Weights, weighted_mean
from multiverse.evaluation.metric import Metric
from multiverse.evaluation.modalities import ModalityView
from multiverse.evaluation.needs import MIN_CELLS, Need
from multiverse.evaluation.neighbours import shared


def neighbourhood_preservation(case: Case) -> Estimate:
    """Return the mean, over modalities, of the share of a cell's neighbours there that it keeps.

    Neighbours are the ``structure_neighbours`` nearest other cells, in the modality's reference
    (Pearson residuals, a recipe of no model here) and in the embedding, both among the cells that
    were measured in the modality.
    """
    views = [view for view in case.modalities.values() if len(view.cells) >= MIN_CELLS]
    parts = {view.name: _kept(case, view) for view in views}

    def again(weights: Weights) -> float:
        return float(np.nanmean([part(weights) for part in parts.values()]))

    ones = np.ones(case.sheet.n_cells)
    return Estimate.of(case.whole.cells, again, {name: part(ones) for name, part in parts.items()})


def _kept(case: Case, view: ModalityView) -> Statistic:
    mean = weighted_mean(case.kept_neighbours[view.name])
    return lambda weights: mean(weights[view.cells])


def seed_stability(case: Case) -> Estimate:
    """Return the mean, over the other seeds, of the share of a cell's neighbours that both have."""
    own = case.whole.neighbours
    shares = {
        run_id: shared(own.others(found.shape[1]), found) for run_id, found in case.siblings.items()
    }
    parts = {run_id: float(share.mean()) for run_id, share in shares.items()}
    together = np.mean(list(shares.values()), axis=0)
    return Estimate.of(case.whole.cells, weighted_mean(together), parts)


METRICS = (
    Metric(
        "neighbourhood_preservation",
        "Neighbourhoods kept (Pearson residuals)",
        Group.STRUCTURE,
        "The share of a cell's nearest neighbours in each modality alone, by 50 components of its "
        "Pearson residuals, that are its neighbours in the embedding too; mean over modalities. By "
        "chance: k / (n - 1). Needs no labels, and is no ranking of methods: an integration "
        "that joins what the modalities say, or removes batches, must lose neighbours.",
        "multiverse; reference: Lause et al. 2021, doi:10.1186/s13059-021-02451-7",
        (Need.CELLS, Need.MODALITIES, Need.NEIGHBOURHOODS, Need.REFERENCE),
        neighbourhood_preservation,
        by_neighbours=True,
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
    ),
)
