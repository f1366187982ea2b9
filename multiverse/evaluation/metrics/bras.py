"""BRAS: silhouettes by batch within each label, against all other batches, by cosine distance."""

from __future__ import annotations

import numpy as np

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate, Values, mean_of_groups
from multiverse.evaluation.metric import SCIB_METRICS, Metric
from multiverse.evaluation.needs import Need
from multiverse.evaluation.sheet import Codes


def bras(case: Case) -> Estimate:
    """Return the mean, over labels with several batches, of the mean of 1 - |silhouette by batch|.

    Cells at the origin have no direction and so no cosine distance: they are left out. One of them
    would make every other silhouette of its label 0, which is perfect mixing.
    """
    space = case.labelled
    directed = space.points.any(axis=1)
    if not directed.all():
        space = space.take(np.flatnonzero(directed))
    labels, batches = space.known_labels, space.known_batches
    scores = np.full(space.n_cells, np.nan)
    points = space.points.astype(np.float64)
    for code in range(len(labels.names)):
        rows = np.flatnonzero(labels.codes == code)
        present, own = np.unique(batches.codes[rows], return_inverse=True)
        # Neither one batch nor a batch of its own for each cell can be mixed.
        if 1 < len(present) < len(rows):
            scores[rows] = 1 - np.abs(cosine_silhouettes(points[rows], own))
    names = [labels.names[code] for code in np.unique(labels.codes[np.isfinite(scores)])]
    means = {
        name: float(np.nanmean(scores[labels.codes == labels.names.index(name)])) for name in names
    }
    return Estimate(mean_of_groups(scores, labels.codes), space.cells, means)


def cosine_silhouettes(points: Values, groups: Codes) -> Values:
    """Return (b - a) / max(a, b) of each cell, (n_cells,); 0 for the only cell of a group.

    ``a`` is the mean cosine distance to the other cells of the own group, ``b`` that to all cells
    of other groups (Rautenstrauch and Ohler 2025, as scib-metrics has it). As a cosine
    distance is 1 minus a product of unit vectors, its mean over a group needs only the group's
    mean vector: time grows with the number of cells, not with its square.
    """
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    unit = np.divide(points, lengths, out=np.full_like(points, np.nan), where=lengths > 0)
    sizes = np.bincount(groups).astype(np.float64)
    sums = np.zeros((len(sizes), points.shape[1]))
    np.add.at(sums, groups, unit)
    products = unit @ sums.T
    own = np.arange(len(points)), groups
    others = sizes[groups] - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        within = _distance(1 - (products[own] - 1) / others, len(points))
        elsewhere = len(points) - sizes[groups]
        between = _distance(1 - (products.sum(axis=1) - products[own]) / elsewhere, len(points))
        widths = (between - within) / np.maximum(within, between)
    return np.where(others > 0, np.nan_to_num(widths), 0.0)


def _distance(means: Values, n_cells: int) -> Values:
    """Return mean distances, those that are rounding alone as 0: their ratio could be anything."""
    least = 4 * np.sqrt(n_cells) * np.finfo(np.float64).eps
    return np.where(means < least, 0.0, means)


METRICS = (
    Metric(
        "bras",
        "BRAS",
        Group.BATCH,
        "Within each cell type, how little cells lie apart by batch: 1 minus the absolute "
        "silhouette by batch, against all other batches.",
        f"Rautenstrauch and Ohler 2025, doi:10.1038/s41587-025-02743-4; {SCIB_METRICS}",
        (Need.CELLS, Need.LABELS, Need.BATCH, Need.BATCHES_WITHIN_LABELS),
        bras,
    ),
)
