"""scib-metrics' own functions, called on the neighbours that the evaluator found."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax  # type: ignore[import-not-found]
import numpy as np
import scib_metrics
from numpy.typing import NDArray

from multiverse.evaluation.case import Case
from multiverse.evaluation.sheet import CellColumn
from multiverse.evaluation.space import Space

Library = Callable[[Case], float]


def names_of(column: CellColumn) -> NDArray[np.str_]:
    """The category of each cell, as the library takes it."""
    return np.array(column.names, dtype=str)[column.codes]


def _leiden(which: str) -> Library:
    def call(case: Case) -> float:
        space = case.labelled
        near = space.neighbours.nearest(case.settings.graph_neighbours)
        found = scib_metrics.nmi_ari_cluster_labels_leiden(near, names_of(space.known_labels))
        return float(found[which])

    return call


def _kmeans(which: str) -> Library:
    def call(case: Case) -> float:
        labels = names_of(case.labelled.known_labels)
        found = scib_metrics.nmi_ari_cluster_labels_kmeans(case.labelled.points.copy(), labels)
        return float(found[which])

    return call


def _clisi(case: Case) -> float:
    near = case.labelled.neighbours.nearest(case.settings.lisi_neighbours)
    return float(scib_metrics.clisi_knn(near, names_of(case.labelled.known_labels)))


def _ilisi(case: Case) -> float:
    near = case.whole.neighbours.nearest(case.settings.lisi_neighbours)
    return float(scib_metrics.ilisi_knn(near, names_of(case.whole.known_batches)))


def _silhouette(case: Case) -> float:
    space = case.sample
    return float(scib_metrics.silhouette_label(space.points, names_of(space.known_labels)))


def _isolated(case: Case) -> float:
    return float(scib_metrics.isolated_labels(*_points_labels_batches(case.sample)))


def _bras(case: Case) -> float:
    return float(scib_metrics.bras(*_points_labels_batches(case.labelled)))


def _points_labels_batches(
    space: Space,
) -> tuple[NDArray[np.float32], NDArray[np.str_], NDArray[np.str_]]:
    return space.points, names_of(space.known_labels), names_of(space.known_batches)


def _connectivity(case: Case) -> float:
    near = case.labelled.neighbours.nearest(case.settings.graph_neighbours)
    return float(scib_metrics.graph_connectivity(near, names_of(case.labelled.known_labels)))


def _kbet(case: Case) -> float:
    space = case.labelled
    near = space.neighbours.nearest(case.settings.kbet_neighbours)
    batches, labels = names_of(space.known_batches), names_of(space.known_labels)
    return float(scib_metrics.kbet_per_label(near, batches, labels))


def _pcr(case: Case) -> float:
    """In double precision: JAX's single precision alone moves the value by some 1e-6."""
    with jax.enable_x64(True):
        return pcr_as_called(case, np.float64)


def pcr_as_called(case: Case, precision: type[np.floating]) -> float:
    """The mean over modalities, of points in this precision."""
    batches = names_of(case.whole.known_batches)
    values = [
        scib_metrics.pcr_comparison(
            view.points.astype(precision),
            case.points[view.cells].astype(precision),
            batches[view.cells],
            categorical=True,
        )
        for view in case.modalities.values()
    ]
    return float(np.mean(values))


#: Our metric → the library's function of the same.
LIBRARY: Mapping[str, Library] = {
    "leiden_nmi": _leiden("nmi"),
    "leiden_ari": _leiden("ari"),
    "kmeans_nmi": _kmeans("nmi"),
    "kmeans_ari": _kmeans("ari"),
    "silhouette_label": _silhouette,
    "isolated_labels": _isolated,
    "clisi": _clisi,
    "ilisi": _ilisi,
    "bras": _bras,
    "kbet_per_label": _kbet,
    "graph_connectivity": _connectivity,
    "pcr_comparison": _pcr,
}
