"""Clusters against labels: NMI and ARI, for the best Leiden resolution and for k-means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Cells, Estimate, Weights
from multiverse.evaluation.metric import LUECKEN, SCIB_METRICS, Metric
from multiverse.evaluation.needs import Need
from multiverse.evaluation.space import Space

Codes = NDArray[np.int64]
Table = NDArray[np.float64]
Agreement = Callable[[Table], float]


def contingency(labels: Codes, clusters: Codes, weights: Weights | None = None) -> Table:
    """Count the cells of each label in each cluster, (n_labels, n_clusters)."""
    rows, columns = int(labels.max()) + 1, int(clusters.max()) + 1
    flat = np.bincount(labels * columns + clusters, weights, minlength=rows * columns)
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


def _estimate(space: Space, clusters: Codes, agreement: Agreement) -> Estimate:
    labels = space.known_labels.codes
    cells: Cells = space.cells
    return Estimate.of(cells, lambda weights: agreement(contingency(labels, clusters, weights)))


def _leiden(agreement: Agreement) -> Callable[[Case], Estimate]:
    return lambda case: _estimate(case.labelled, best_leiden(case.labelled), agreement)


def _kmeans(agreement: Agreement) -> Callable[[Case], Estimate]:
    return lambda case: _estimate(case.labelled, case.labelled.kmeans, agreement)


_NEEDS = (Need.CELLS, Need.LABELS)

METRICS = (
    Metric(
        "leiden_nmi",
        "NMI (Leiden)",
        Group.BIO,
        "Normalised mutual information of cell types with Leiden clusters, at the best of ten "
        "resolutions. 1: the same grouping, 0: unrelated.",
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
        "cell types.",
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
