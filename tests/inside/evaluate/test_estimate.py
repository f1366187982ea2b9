"""Halves of the cells: scored anew, the same for every embedding, of a known variance."""

from __future__ import annotations

import numpy as np
import pytest

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.contract.scores import Group
from multiverse.evaluation.case import MOST_OF_HALF, Case, half_size
from multiverse.evaluation.estimate import Estimate, mean_of_groups
from multiverse.evaluation.member import replicates_of
from multiverse.evaluation.metric import Metric
from multiverse.evaluation.needs import unmet
from multiverse.evaluation.neighbours import find_neighbours, neighbours_needed
from tests.inside.evaluate.cases import METRICS, SHORT, blobs, case_of, value_of, view_of

N = 150
HALVED = SHORT.model_copy(update={"replicates": 12, "seed": 1})


def made(n_cells: int = N, settings: EvaluationSettings = HALVED, seed: int = 0) -> Case:
    """Everything that any metric needs; a fifth of the cells has no label."""
    data = blobs(n_cells, apart=1.2, seed=seed)
    labels = data.labels.copy()
    labels[::5] = None
    measured = np.arange(n_cells * 2 // 3)
    own = view_of("rna", blobs(n_cells, apart=1, seed=4).points, settings=settings)
    part = view_of("adt", data.points[measured] ** 3, measured, settings)
    other = find_neighbours(data.points + 0.1, 16, exact=True).others(15)
    return case_of(
        data.points,
        labels,
        data.batches,
        views=[own, part],
        siblings={"r2": other},
        settings=settings,
    )


@pytest.fixture(scope="module")
def case() -> Case:
    return made()


@pytest.mark.parametrize("metric", METRICS)
def test_replicates_are_values_around_the_value(metric: str, case: Case) -> None:
    value, found = value_of(metric, case), replicates_of(case, METRICS[metric])
    if METRICS[metric].group is Group.STRUCTURE:
        assert found == [], "it ranks nothing, and has no interval"
        return
    values = np.array([one for one in found if one is not None])
    assert len(values) == 12
    assert len(set(found)) > 1 or value > 0.98, "near its bound it may be 1 in all halves"
    assert ((values >= -0.2) & (values <= 1)).all()
    low, high = np.quantile(values, [0, 1])
    assert low - 0.15 <= value <= high + 0.15
    assert found == replicates_of(made(), METRICS[metric])


def test_a_half_is_of_the_same_cells_for_every_embedding(case: Case) -> None:
    other = made(seed=3)
    for number in range(3):
        assert case.half(number).sheet.cells == other.half(number).sheet.cells
        assert len(case.half(number).sheet.cells) == N // 2
    assert len({case.half(number).sheet.cells for number in range(3)}) == 3


def test_a_half_is_scored_as_a_dataset_of_its_own(case: Case) -> None:
    """Its labels, batches, modalities, neighbours and clusters are those of its cells alone."""
    half = case.half(0)
    position = {name: row for row, name in enumerate(case.sheet.cells)}
    rows = np.array([position[name] for name in half.sheet.cells])
    alone = Case("run", case.points[rows], half.sheet, half.modalities, half.settings)
    for view in half.modalities.values():
        whole = case.modalities[view.name]
        there = np.flatnonzero(np.isin(whole.cells, rows[view.cells]))
        assert np.array_equal(view.points, whole.points[there])
        assert np.array_equal(whole.cells[there], rows[view.cells])
    for metric in METRICS.values():
        if metric.in_halves:
            assert unmet(metric.needs, half) is None
            assert metric.compute(half).value == pytest.approx(
                metric.compute(alone).value, abs=1e-12
            ), metric.name


@pytest.mark.parametrize("n_rows", [20, 75, 140])
def test_neighbours_among_some_cells_are_those_that_a_search_finds(n_rows: int) -> None:
    points = blobs(N, apart=1).points
    rows = np.sort(np.random.default_rng(0).permutation(N)[:n_rows])
    known = find_neighbours(points, 45, exact=True)
    for k in (5, 15, 30):
        found = known.among(rows, k, points[rows])
        expected = find_neighbours(points[rows], k, exact=True)
        assert np.array_equal(found.indices, expected.indices)
        assert np.allclose(found.distances, expected.distances, atol=1e-5)


def test_halves_have_the_standard_error_of_a_mean() -> None:
    """And parts of fewer cells too, by the factor that they are multiplied by."""
    for n_cells in (400, 2 * MOST_OF_HALF + 5_000):
        values = np.random.default_rng(0).normal(size=n_cells)
        settings = SHORT.model_copy(update={"replicates": 300})
        points = values[:, None].astype(np.float32)
        metric = Metric(
            "mean",
            "Mean",
            Group.BIO,
            "the mean of what a cell has",
            "this test",
            (),
            lambda case: Estimate(float(case.points.mean()), case.whole.cells),
        )
        found = replicates_of(case_of(points, settings=settings), metric)
        assert np.std([one for one in found if one is not None]) == pytest.approx(
            values.std() / np.sqrt(n_cells), rel=0.12
        )
        assert half_size(n_cells) == min(n_cells // 2, MOST_OF_HALF)


def test_a_half_that_lacks_what_a_metric_needs_has_no_value() -> None:
    """Of 30 cells, as few as there may be, a half has 15."""
    small = made(40)
    assert unmet(METRICS["ilisi"].needs, small) is None
    assert replicates_of(small, METRICS["ilisi"]) == [None] * 12


def test_no_replicates_where_none_are_wanted() -> None:
    settings = SHORT.model_copy(update={"replicates": 0})
    assert replicates_of(made(settings=settings), METRICS["ilisi"]) == []


def test_neighbourhoods_of_halves_are_smaller(case: Case) -> None:
    half = case.half(0)
    assert neighbours_needed(half.settings) <= case.whole.neighbours.k / 2 + 1


def test_other_ways_to_compute_it_are_beside_the_value(case: Case) -> None:
    leiden, kmeans = METRICS["leiden_nmi"].compute(case), METRICS["kmeans_nmi"].compute(case)
    assert set(leiden.variants) == {"resolution_1"}
    assert leiden.variants["resolution_1"] <= leiden.value, "the best resolution is the best"
    assert set(kmeans.variants) == {"scib"}


def test_a_group_without_a_value_counts_nowhere() -> None:
    values, groups = np.array([1.0, 0.0, np.nan, np.nan]), np.array([0, 0, 1, 1])
    assert mean_of_groups(values, groups) == 0.5
    assert np.isnan(mean_of_groups(values[2:], groups[2:]))
