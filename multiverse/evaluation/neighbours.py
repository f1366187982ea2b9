"""The nearest neighbours of every cell: computed once an embedding, shared by all metrics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scib_metrics.nearest_neighbors import NeighborsResults
from scipy.sparse import csr_matrix

from multiverse.contract.evaluation import EvaluationSettings

Matrix = NDArray[np.float32]
Wide = NDArray[np.float64]
#: More candidates than wanted, so that the last place is decided by true distances too.
MARGIN = 5
#: Cells whose neighbours are compared at a time, and bytes that their differences may take: fewer
#: cells at a time where there are many dimensions.
BLOCK = 512
BLOCK_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class Neighbours:
    """Neighbours by Euclidean distance, the cell itself first.

    ``indices`` and ``distances`` are (n_cells, k). ``exact`` is False above the size from which
    they are searched by pynndescent.
    """

    indices: NDArray[np.int64]
    distances: Matrix
    exact: bool

    @property
    def k(self) -> int:
        return int(self.indices.shape[1])

    def nearest(self, k: int) -> NeighborsResults:
        """Return the first ``k`` (itself included), as scib-metrics takes them."""
        k = min(k, self.k)
        return self._cached.setdefault(
            k, NeighborsResults(indices=self.indices[:, :k], distances=self.distances[:, :k])
        )

    @cached_property
    def _cached(self) -> dict[int, NeighborsResults]:
        """Return one object a ``k``, because each keeps the graph that it was asked for."""
        return {}

    def others(self, k: int) -> NDArray[np.int64]:
        """Return the ``k`` nearest other cells, (n_cells, k)."""
        return self.indices[:, 1 : k + 1]

    def among(self, rows: NDArray[np.intp], k: int, points: Matrix) -> Neighbours:
        """Return the ``k`` nearest of each of ``rows`` (n_rows,) among these rows, itself included.

        ``points`` (n_rows, n_dims): theirs. Cells that have fewer of them among the neighbours that
        are known are looked at anew.
        """
        k = min(k, len(rows))
        position = np.full(len(self.indices), -1, dtype=np.int64)
        position[rows] = np.arange(len(rows))
        found = position[self.indices[rows]]
        nearest = np.argsort(found < 0, axis=1, kind="stable")[:, :k]
        if nearest.shape[1] < k:
            return find_neighbours(points, k, exact=True)
        indices = np.take_along_axis(found, nearest, axis=1)
        distances = np.take_along_axis(self.distances[rows], nearest, axis=1)
        few = np.flatnonzero((indices < 0).any(axis=1))
        squares = np.square(distances[:, 1:].astype(np.float64))
        _look_at_all(points.astype(np.float64), few, indices[:, 1:], squares)
        distances[few, 1:] = np.sqrt(squares[few])
        return Neighbours(indices, distances, self.exact)

    def connectivities(self, k: int) -> csr_matrix:
        """Return UMAP's fuzzy graph over ``k`` neighbours (McInnes et al. 2018)."""
        graph: csr_matrix = self.nearest(k).knn_graph_connectivities.tocsr()
        return graph


def neighbours_needed(settings: EvaluationSettings) -> int:
    """Return the most neighbours that any metric asks for, the cell itself included."""
    return max(
        settings.lisi_neighbours,
        settings.kbet_neighbours,
        settings.graph_neighbours,
        settings.structure_neighbours + 1,
    )


def find_neighbours(points: Matrix, k: int, *, exact: bool, seed: int = 0) -> Neighbours:
    """Return the ``k`` nearest cells of each of ``points`` (n_cells, n_dims), itself included.

    At most as many as there are cells.
    """
    k = min(k, len(points))
    if not exact:
        return _approximate(points, k, seed)
    from sklearn.neighbors import NearestNeighbors

    wide = points.astype(np.float64)
    wide -= wide.mean(axis=0)
    candidates = min(k - 1 + MARGIN, len(points) - 1)
    finder = NearestNeighbors(n_neighbors=candidates, algorithm="brute").fit(wide)
    found = finder.kneighbors(return_distance=False)  # without the points themselves
    indices, distances = _by_true_distance(wide, found, k - 1)
    own = np.arange(len(points))[:, None]
    return Neighbours(
        np.hstack([own, indices]).astype(np.int64),
        np.hstack([np.zeros_like(own), distances]).astype(np.float32),
        exact=True,
    )


def _by_true_distance(
    points: Wide, candidates: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], Wide]:
    """Return the ``k`` nearest of each point's candidates, equals by index.

    The search takes squared distances from products, whose rounding depends on the order of a sum
    and so on threads: between cells at almost the same place it decides by chance, and a
    clustering may turn on that. Here differences are squared. Where the last candidate is as near
    as the last that is kept, chance may have left others out: all cells are looked at then.
    """
    indices = np.empty((len(points), k), dtype=np.int64)
    squares = np.empty((len(points), k))
    doubtful = []
    step = _at_a_time(candidates.shape[1] * points.shape[1], BLOCK)
    for first in range(0, len(points), step):
        rows = slice(first, first + step)
        block = np.sort(candidates[rows], axis=1)
        squared = _squared(points[block] - points[rows, None, :])
        order = np.argsort(squared, axis=1, kind="stable")
        indices[rows] = np.take_along_axis(block, order[:, :k], axis=1)
        squared = np.take_along_axis(squared, order, axis=1)
        squares[rows] = squared[:, :k]
        doubtful.append(_at_the_edge(points[rows], squared, k))
    if candidates.shape[1] < len(points) - 1:
        _look_at_all(points, np.flatnonzero(np.concatenate(doubtful)), indices, squares)
    return indices, np.sqrt(squares)


def _at_a_time(values: int, most: int) -> int:
    """Return how many at a time, each of so many ``values`` in double precision."""
    return max(1, min(most, BLOCK_BYTES // (8 * max(1, values))))


def _squared(apart: Wide) -> Wide:
    """Return squared lengths (n, m) of differences (n, m, n_dims)."""
    lengths: Wide = np.einsum("ijk,ijk->ij", apart, apart)
    return lengths


def _at_the_edge(points: Wide, squared: Wide, k: int) -> NDArray[np.bool_]:
    """Return True where rounding could have put another in the last candidate's place, (n,).

    ``squared``: true squared distances of the candidates, ascending. A product of vectors has a
    relative error of about their dimensions (Higham 2002, section 3.1) times the machine's epsilon.
    """
    edge, last = squared[:, max(k - 1, 0)], squared[:, -1]
    reach = np.linalg.norm(points, axis=1) + np.sqrt(last)
    rounding = 4 * (points.shape[1] + 8) * np.finfo(np.float64).eps * np.square(reach)
    return np.asarray(last - edge <= rounding)


def _look_at_all(
    points: Wide, rows: NDArray[np.intp], indices: NDArray[np.int64], squares: Wide
) -> None:
    """Fill in the nearest of all cells for ``rows``; once for those at the same place."""
    k = indices.shape[1]
    places, members = np.unique(points[rows], axis=0, return_inverse=True)
    for number, place in enumerate(places):
        squared = _squared_from(points, place)
        near = np.flatnonzero(squared <= np.partition(squared, k)[k])
        near = near[np.argsort(squared[near], kind="stable")]
        for row in rows[members.ravel() == number]:
            own = near[near != row][:k]
            indices[row], squares[row] = own, squared[own]


def _squared_from(points: Wide, place: Wide) -> Wide:
    """Return squared distances (n,) of points (n, n_dims) from a place (n_dims,)."""
    step = _at_a_time(points.shape[1], len(points))
    blocks = [
        _squared((points[first : first + step] - place)[None])[0]
        for first in range(0, len(points), step)
    ]
    return np.concatenate(blocks)


def _approximate(points: Matrix, k: int, seed: int) -> Neighbours:
    from pynndescent import NNDescent

    index = NNDescent(points, n_neighbors=k, random_state=seed, low_memory=True)
    return completed(points, *index.neighbor_graph)


def completed(points: Matrix, found: NDArray[np.integer], distances: Matrix) -> Neighbours:
    """Return what a search has found, (n_cells, k) each, as neighbours: the cell itself first.

    Of cells at the same place the search has any first, the cell itself later or not at all. Where
    it has found too few (index -1), all cells are looked at.
    """
    n, k = found.shape
    own = np.arange(n)[:, None]
    dropped = found == own
    dropped[~dropped.any(axis=1), -1] = True
    indices = found[~dropped].reshape(n, k - 1).astype(np.int64)
    squares = np.square(distances[~dropped].reshape(n, k - 1).astype(np.float64))
    few = np.flatnonzero((indices < 0).any(axis=1))
    _look_at_all(points.astype(np.float64), few, indices, squares)
    return Neighbours(
        np.hstack([own, indices]),
        np.hstack([np.zeros_like(own), np.sqrt(squares)]).astype(np.float32),
        exact=False,
    )


def shared(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of ``first``'s neighbours (n_cells, k) that ``second`` has, (n_cells,)."""
    n, k = first.shape
    found = np.zeros(n)
    for column in range(k):
        found += (second == first[:, column : column + 1]).any(axis=1)
    share: NDArray[np.float64] = found / k
    return share
