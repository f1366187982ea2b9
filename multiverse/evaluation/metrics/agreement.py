"""Clusters against labels: NMI and ARI, for the best Leiden resolution and for k-means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate
from multiverse.evaluation.metric import LUECKEN, SCIB_METRICS, Metric
from multiverse.evaluation.needs import Need
from multiverse.evaluation.space import RESOLUTIONS, Space

Codes = NDArray[np.int64]
Table = NDArray[np.float64]
Agreement = Callable[[Table], float]


def contingency(labels: Codes, clusters: Codes) -> Table:
    """Count the cells of each label in each cluster, (n_labels, n_clusters)."""
    rows, columns = int(labels.max()) + 1, int(clusters.max()) + 1
    flat = np.bincount(labels * columns + clusters, minlength=rows * columns)
    return flat.reshape(rows, columns).astype(np.float64)


def nmi(table: Table) -> float:
    """Return mutual information over the mean of both entropies (Vinh et al. 2010, NMI_sum)."""
    joint = table / table.sum()
    mean = (_entropy(joint.sum(axis=1)) + _entropy(joint.sum(axis=0))) / 2
    if mean <= 0:
        return 1.0
    information = 2 * mean - _entropy(joint.ravel())
    return min(1.0, max(0.0, information / mean))


def _entropy(shares: NDArray[np.float64]) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def ari(table: Table) -> float:
    """Return the Rand index, adjusted for chance (Hubert and Arabie 1985)."""
    together = _pairs(table.ravel())
    rows, columns = _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    expected = rows * columns / _pairs(np.array([table.sum()]))
    most = (rows + columns) / 2
    return 1.0 if most == expected else float((together - expected) / (most - expected))


def _pairs(counts: NDArray[np.float64]) -> float:
    return float((counts * (counts - 1)).sum() / 2)


def best_leiden(space: Space) -> Codes:
    """Return the Leiden clusters whose NMI with the labels is highest; the first of equals."""
    labels = space.known_labels.codes
    scores = [nmi(contingency(labels, clusters)) for clusters in space.leiden]
    return space.leiden[int(np.argmax(scores))]


def _leiden(agreement: Agreement) -> Callable[[Case], Estimate]:
    def compute(case: Case) -> Estimate:
        space = case.labelled
        plain = {"resolution_1": space.leiden[RESOLUTIONS.index(1.0)]}
        return _estimate(space, best_leiden(space), agreement, plain)

    return compute


def _kmeans(agreement: Agreement) -> Callable[[Case], Estimate]:
    def compute(case: Case) -> Estimate:
        space = case.labelled
        single = {} if case.part_of else {"scib": space.library_kmeans}
        return _estimate(space, space.kmeans, agreement, single)

    return compute


def _estimate(
    space: Space, clusters: Codes, agreement: Agreement, variants: dict[str, Codes]
) -> Estimate:
    """Return the agreement of labels and clusters; ``variants``: other clusters."""
    labels = space.known_labels.codes
    others = {name: agreement(contingency(labels, codes)) for name, codes in variants.items()}
    value = agreement(contingency(labels, clusters))
    return Estimate(value, space.cells, variants=others)


_NEEDS = (Need.CELLS, Need.LABELS)

METRICS = (
    Metric(
        "leiden_nmi",
        "NMI (Leiden)",
        Group.BIO,
        "Normalised mutual information of cell types with Leiden clusters, at the best of ten "
        "resolutions, which the labels choose: optimistic, not equally so for every model. 1: the "
        "same grouping, 0: unrelated.",
        f"{LUECKEN}; {SCIB_METRICS}",
        _NEEDS,
        _leiden(nmi),
        by_neighbours=True,
    ),
    Metric(
        "leiden_ari",
        "ARI (Leiden)",
        Group.BIO,
        "Adjusted Rand index of cell types with the same Leiden clusters. 1: the same grouping, "
        "0: as by chance.",
        f"{LUECKEN}; {SCIB_METRICS}",
        _NEEDS,
        _leiden(ari),
        by_neighbours=True,
    ),
    Metric(
        "kmeans_nmi",
        "NMI (k-means)",
        Group.BIO,
        "Normalised mutual information of cell types with k-means clusters, as many as there are "
        "cell types; of ten starts the one with the tightest clusters.",
        f"{LUECKEN}; {SCIB_METRICS}",
        _NEEDS,
        _kmeans(nmi),
    ),
    Metric(
        "kmeans_ari",
        "ARI (k-means)",
        Group.BIO,
        "Adjusted Rand index of cell types with the same k-means clusters.",
        f"{LUECKEN}; {SCIB_METRICS}",
        _NEEDS,
        _kmeans(ari),
    ),
)
