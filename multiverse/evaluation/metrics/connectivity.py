"""Graph connectivity: whether the cells of a label hang together in the neighbour graph."""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate, mean_of_groups
from multiverse.evaluation.metric import LUECKEN, SCIB_METRICS, Metric
from multiverse.evaluation.needs import Need


def graph_connectivity(case: Case) -> Estimate:
    """Return the mean, over labels, of the share of cells in the largest strong component."""
    space = case.labelled
    labels = space.known_labels.codes
    graph = space.neighbours.nearest(space.settings.graph_neighbours).knn_graph_distances
    inside = np.zeros(space.n_cells)
    for code in range(len(space.known_labels.names)):
        rows = np.flatnonzero(labels == code)
        _, parts = connected_components(graph[rows][:, rows], connection="strong")
        inside[rows] = parts == np.bincount(parts).argmax()
    return Estimate(mean_of_groups(inside, labels), space.cells)


METRICS = (
    Metric(
        "graph_connectivity",
        "Graph connectivity",
        Group.BATCH,
        "The share of each cell type's cells that hang together in the neighbour graph. 1: every "
        "cell type is one piece, whatever batch its cells are from.",
        f"{LUECKEN}; {SCIB_METRICS}",
        (Need.CELLS, Need.LABELS),
        graph_connectivity,
        by_neighbours=True,
    ),
)
