"""One embedding of some cells, with everything that several metrics need of it, computed once."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.evaluation.estimate import Cells, Values
from multiverse.evaluation.neighbours import Matrix, Neighbours, find_neighbours, neighbours_needed
from multiverse.evaluation.sheet import CellColumn

#: Of scib-metrics: ten resolutions up to 2, the best by NMI with the labels, seed 42.
RESOLUTIONS = tuple(2 * step / 10 for step in range(1, 11))
LEIDEN_SEED = 42
#: One start ends in a local optimum that is decided by its seed.
KMEANS_STARTS = 10
#: A few times the distance of two numbers in single precision.
LOST = 1e-6


@dataclass(frozen=True)
class Space:
    """Points (n_cells, n_dims) of the cells in rows ``cells`` of the dataset.

    ``labels`` and ``batches`` are those of these cells; None where there is no such column.
    ``known_neighbours``: where they need not be searched.
    """

    points: Matrix
    cells: Cells
    labels: CellColumn | None
    batches: CellColumn | None
    settings: EvaluationSettings
    known_neighbours: Callable[[], Neighbours] | None = None

    def take(self, rows: NDArray[np.intp]) -> Space:
        """Return the same embedding for the rows ``rows`` (n_taken,)."""
        return Space(
            np.ascontiguousarray(self.points[rows]),
            self.cells[rows],
            None if self.labels is None else self.labels.take(rows),
            None if self.batches is None else self.batches.take(rows),
            self.settings,
        )

    @property
    def n_cells(self) -> int:
        return len(self.cells)

    @cached_property
    def is_constant(self) -> bool:
        """Return True if every cell lies at the same point."""
        return self.n_cells < 2 or bool((self.points == self.points[0]).all())

    @cached_property
    def is_lost_in_rounding(self) -> bool:
        """Return True if no axis varies by more than :data:`LOST` of the largest value.

        Squares and products in single precision then say nothing of how the cells differ.
        """
        largest = float(np.abs(self.points).max(initial=0))
        return float(self.points.std(axis=0, dtype=np.float64).max(initial=0)) < LOST * largest

    @cached_property
    def neighbours(self) -> Neighbours:
        if self.known_neighbours is not None:
            return self.known_neighbours()
        settings = self.settings
        k = neighbours_needed(settings)
        exact = self.n_cells <= settings.max_cells
        return find_neighbours(self.points, k, exact=exact, seed=settings.seed)

    @cached_property
    def known_labels(self) -> CellColumn:
        """Return the labels, where a metric's needs have made sure of them."""
        if self.labels is None:
            raise ValueError("these cells have no labels")
        return self.labels

    @cached_property
    def known_batches(self) -> CellColumn:
        """Return the batches, where a metric's needs have made sure of them."""
        if self.batches is None:
            raise ValueError("these cells have no batches")
        return self.batches

    @cached_property
    def leiden(self) -> list[NDArray[np.int64]]:
        """Return clusters (n_cells,) at each of :data:`RESOLUTIONS`, as scib-metrics makes them.

        Modularity on the fuzzy graph of ``graph_neighbours``; both directions of an edge count.
        """
        import igraph

        conn = self.neighbours.nearest(self.settings.graph_neighbours).knn_graph_connectivities
        graph = igraph.Graph.Weighted_Adjacency(conn, mode="directed")
        graph.to_undirected(mode="each")
        found = []
        for resolution in RESOLUTIONS:
            igraph.set_random_number_generator(random.Random(LEIDEN_SEED))  # noqa: S311
            clustering = graph.community_leiden(
                objective_function="modularity", weights="weight", resolution=resolution
            )
            found.append(np.asarray(clustering.membership, dtype=np.int64))
        igraph.set_random_number_generator(random)
        return found

    @cached_property
    def kmeans(self) -> NDArray[np.int64]:
        """Return as many clusters as there are labels: the best of :data:`KMEANS_STARTS` starts."""
        from sklearn.cluster import KMeans

        wanted = len(np.unique(self.known_labels.codes))
        model = KMeans(wanted, n_init=KMEANS_STARTS, random_state=self.settings.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of fewer places than clusters
            found = model.fit(self.points.astype(np.float64)).labels_
        return np.asarray(found, dtype=np.int64)

    @cached_property
    def library_kmeans(self) -> NDArray[np.int64]:
        """Return as many clusters as there are labels, by scib-metrics' k-means (one start)."""
        from scib_metrics.utils import KMeans

        model = KMeans(len(self.known_labels.names))
        model.fit(self.points.copy())  # it centres what it is given in place, with rounding
        return np.asarray(model.labels_, dtype=np.int64)

    @cached_property
    def label_silhouettes(self) -> Values:
        """Return each cell's silhouette by label (Rousseeuw 1987), -1 to 1; 0 for a single one."""
        from sklearn.metrics import silhouette_samples

        widths = silhouette_samples(self.points.astype(np.float64), self.known_labels.codes)
        return np.asarray(np.nan_to_num(widths), dtype=np.float64)
