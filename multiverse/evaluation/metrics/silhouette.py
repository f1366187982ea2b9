"""Silhouettes by label: of all cells, and of the labels that fewest batches have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate, mean_of_groups
from multiverse.evaluation.metric import LUECKEN, SCIB_METRICS, Metric
from multiverse.evaluation.needs import Need
from multiverse.evaluation.space import Space

#: A mean over fewer cells than this deserves a remark.
FEW = 10


def silhouette_label(case: Case) -> Estimate:
    """Return the mean silhouette width, from -1..1 to 0..1."""
    space = case.sample
    return Estimate(float((space.label_silhouettes.mean() + 1) / 2), space.cells)


def isolated_labels(case: Case) -> Estimate:
    """Return the mean, over the labels in fewest batches, of a label's mean silhouette width."""
    space = case.sample
    names = space.known_labels.names
    labels = space.known_labels.codes
    widths = np.where(_isolated(space)[labels], (space.label_silhouettes + 1) / 2, np.nan)
    means = {
        names[code]: float(widths[labels == code].mean())
        for code in np.flatnonzero(_isolated(space))
    }
    sizes = {names[code]: int((labels == code).sum()) for code in np.flatnonzero(_isolated(space))}
    small = [f"{name!r:.60} ({size})" for name, size in sizes.items() if size < FEW]
    remark = f"rests on labels of few cells: {', '.join(small[:5])}" if small else ""
    return Estimate(mean_of_groups(widths, labels), space.cells, means, remark)


def _isolated(space: Space) -> NDArray[np.bool_]:
    """Return the labels that the fewest batches have, (n_labels,)."""
    labels, batches = space.known_labels, space.known_batches
    table = np.zeros((len(labels.names), len(batches.names)), dtype=bool)
    table[labels.codes, batches.codes] = True
    number = table.sum(axis=1)
    return np.asarray(number == number.min())


METRICS = (
    Metric(
        "silhouette_label",
        "Silhouette (label)",
        Group.BIO,
        "How much closer cells are to their own cell type than to the nearest other one, scaled "
        "from -1..1 to 0..1 (0.5: neither).",
        f"Rousseeuw 1987; {LUECKEN}; {SCIB_METRICS}",
        (Need.CELLS, Need.LABELS),
        silhouette_label,
        quadratic=True,
    ),
    Metric(
        "isolated_labels",
        "Isolated labels",
        Group.BIO,
        "The same, for the cell types that the fewest batches have: what an integration loses "
        "first.",
        f"{LUECKEN}; {SCIB_METRICS}",
        (Need.CELLS, Need.LABELS, Need.BATCH, Need.LABELLED_BATCHES),
        isolated_labels,
        quadratic=True,
    ),
)
