"""Neighbours: exact where they are said to be, the same every time, and how many are shared."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from multiverse.evaluation.neighbours import (
    BLOCK_BYTES,
    Matrix,
    completed,
    find_neighbours,
    shared,
)
from tests.inside.evaluate.cases import blobs


def brute_force(points: Matrix, k: int) -> NDArray[np.int64]:
    """Each cell, then the nearest others by true distance, equals by index: (n_cells, k)."""
    wide = points.astype(np.float64)
    apart = np.square(wide[:, None, :] - wide[None, :, :]).sum(axis=2)
    np.fill_diagonal(apart, -1)
    return np.argsort(apart, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("k", [2, 15, 91])
def test_exact_is_brute_force(k: int) -> None:
    points = blobs(700).points  # more than one block
    found = find_neighbours(points, k, exact=True)
    expected = brute_force(points, k)
    assert np.array_equal(found.indices, expected)
    distances = np.take_along_axis(pairwise_distances(points.astype(np.float64)), expected, axis=1)
    assert np.allclose(found.distances, distances, atol=1e-5)
    assert found.exact
    assert found.indices.dtype == np.dtype(np.int64)
    assert found.distances.dtype == np.dtype(np.float32)


def test_far_from_the_origin_distances_are_true() -> None:
    """Squared distances from products would lose all digits here."""
    points = (blobs(150, apart=0).points + 3e4).astype(np.float32)
    assert np.array_equal(find_neighbours(points, 20, exact=True).indices, brute_force(points, 20))


def test_a_cell_is_its_own_first_neighbour_also_among_copies() -> None:
    points = np.repeat(blobs(40).points, 3, axis=0)
    found = find_neighbours(points, 10, exact=True)
    assert np.array_equal(found.indices[:, 0], np.arange(120))
    assert np.array_equal(found.indices, brute_force(points, 10))
    assert (found.distances[:, 1:3] == 0).all()


@pytest.mark.parametrize("copies", [60, 200])
def test_more_copies_than_neighbours_are_taken_by_index(copies: int) -> None:
    places = blobs(4, n_labels=4).points
    points = np.tile(places, (copies, 1))
    assert np.array_equal(find_neighbours(points, 16, exact=True).indices, brute_force(points, 16))


def test_equal_distances_are_taken_by_index() -> None:
    """On a grid four cells are equally near, and at the edge of the list one must go."""
    rows, columns = np.meshgrid(np.arange(12), np.arange(12))
    points = np.column_stack([rows.ravel(), columns.ravel()]).astype(np.float32)
    for k in (2, 4, 7):
        found = find_neighbours(points, k, exact=True).indices
        assert np.array_equal(found, brute_force(points, k)), k


@pytest.mark.parametrize("kind", ["apart", "copies"])
def test_the_number_of_threads_changes_nothing(kind: str) -> None:
    points = blobs(1200, n_dims=30).points
    if kind == "copies":
        points = np.tile(points[:8], (150, 1))
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(find_neighbours(points, 51, exact=True))
    assert np.array_equal(found[0].indices, found[1].indices)
    assert np.array_equal(found[0].distances, found[1].distances)


@pytest.mark.parametrize("kind", ["apart", "copies", "lattice"])
def test_how_many_are_compared_at_a_time_changes_nothing(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = blobs(300, n_dims=33).points
    if kind == "copies":
        points[50:250] = points[50]
    elif kind == "lattice":
        points = (points > 0).astype(np.float32)
    whole = find_neighbours(points, 20, exact=True)
    for most in (1, 33 * 8, 100_000):
        monkeypatch.setattr("multiverse.evaluation.neighbours.BLOCK_BYTES", most)
        parts = find_neighbours(points, 20, exact=True)
        assert np.array_equal(parts.indices, whole.indices)
        assert np.array_equal(parts.distances, whole.distances)


def test_ten_thousand_dimensions_take_no_more_than_a_few_blocks() -> None:
    points = np.random.default_rng(0).normal(size=(200, 10_000)).astype(np.float32)
    tracemalloc.start()
    try:
        find_neighbours(points, 90, exact=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * BLOCK_BYTES


def test_as_many_as_there_are_cells() -> None:
    found = find_neighbours(blobs(5).points, 90, exact=True)
    assert found.k == 5
    assert (np.sort(found.indices, axis=1) == np.arange(5)).all()


def test_nearest_is_a_view_of_the_first_ones() -> None:
    found = find_neighbours(blobs(60).points, 30, exact=True)
    near = found.nearest(15)
    assert np.array_equal(near.indices, found.indices[:, :15])
    assert found.nearest(15) is near, "its graph would be made again"
    assert np.array_equal(found.others(4), found.indices[:, 1:5])
    assert found.nearest(1000).indices.shape == (60, 30)


def test_approximate_neighbours_are_seeded_and_nearly_exact() -> None:
    points = blobs(600).points
    first, again = (find_neighbours(points, 16, exact=False, seed=3) for _ in range(2))
    assert not first.exact
    assert np.array_equal(first.indices, again.indices)
    assert np.array_equal(first.indices[:, 0], np.arange(600))
    exact = find_neighbours(points, 16, exact=True)
    assert shared(exact.others(15), first.others(15)).mean() > 0.95


def test_among_copies_approximate_neighbours_have_the_cell_itself_first_and_once() -> None:
    points = np.tile(blobs(5, n_labels=5).points, (60, 1))
    found = find_neighbours(points, 20, exact=False)
    own = np.arange(300)[:, None]
    assert np.array_equal(found.indices[:, :1], own)
    assert not (found.others(19) == own).any()
    assert (found.distances == 0).all(), "60 copies are nearer than anything else"


def test_what_a_search_has_not_found_is_looked_up() -> None:
    """pynndescent marks it by -1, which as an index would be the last cell."""
    points = blobs(80).points
    exact = find_neighbours(points, 10, exact=True)
    indices, distances = exact.indices.copy(), exact.distances.copy()
    indices[3, 4:], distances[3, 4:] = -1, np.inf
    indices[7, 2:], distances[7, 2:] = -1, np.inf
    found = completed(points, indices, distances)
    assert np.array_equal(found.indices, exact.indices)
    assert np.allclose(found.distances, exact.distances, atol=1e-5)


def test_shared_is_the_part_of_both_lists() -> None:
    first = np.array([[1, 2, 3], [0, 2, 3], [5, 6, 7]])
    second = np.array([[3, 2, 1], [9, 8, 0], [1, 2, 3]])
    assert shared(first, second) == pytest.approx([1, 1 / 3, 0])
