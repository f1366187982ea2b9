"""Halves of the cells: the value again, and weights that choose cells."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import (
    Estimate,
    Weights,
    mean_of_groups,
    weighted_mean,
    weighted_median,
)
from multiverse.evaluation.metrics.pcr import batch_share
from multiverse.evaluation.neighbours import find_neighbours
from tests.inside.evaluate.cases import METRICS, SHORT, blobs, case_of, value_of, view_of

N = 150


@pytest.fixture(scope="module")
def case() -> Case:
    """Everything that any metric needs; a fifth of the cells has no label."""
    data = blobs(N, apart=2)
    labels = data.labels.copy()
    labels[::5] = None
    own = view_of("rna", blobs(N, apart=1, seed=4).points)
    part = view_of("adt", data.points[:100] ** 3, np.arange(100))
    other = find_neighbours(data.points + 0.1, 16, exact=True).others(15)
    return case_of(data.points, labels, data.batches, views=[own, part], siblings={"r2": other})


@pytest.fixture(scope="module")
def estimates(case: Case) -> dict[str, Estimate]:
    return {name: metric.compute(case) for name, metric in METRICS.items()}


@pytest.mark.parametrize("metric", METRICS)
def test_with_all_weights_one_it_is_the_value(
    metric: str, estimates: dict[str, Estimate], case: Case
) -> None:
    found = estimates[metric]
    assert found.again(np.ones(len(found.cells))) == found.value
    expected = 120 if case.labelled.n_cells == len(found.cells) else N
    assert len(found.cells) == expected


@pytest.mark.parametrize("metric", METRICS)
def test_replicates_are_values_around_the_value(
    metric: str, estimates: dict[str, Estimate], case: Case
) -> None:
    found = estimates[metric]
    settings = case.settings.model_copy(
        update={"replicates": 40, "cluster_replicates": 20, "seed": 1}
    )
    drawn = found.replicates(N, settings)
    values = np.array([value for value in drawn if value is not None])
    assert len(drawn) == 40
    assert len(values) == (20 if found.finds_clusters else 40)
    assert ((values >= -0.2) & (values <= 1)).all()
    low, high = np.quantile(values, [0, 1])
    assert low - 0.1 <= found.value <= high + 0.1
    assert drawn == found.replicates(N, settings)


def halved(replicates: int, seed: int = 0) -> EvaluationSettings:
    return EvaluationSettings(replicates=replicates, seed=seed)


def test_metrics_see_the_same_halves() -> None:
    """Of two metrics of which one looks at some cells only, as labelled ones are."""
    seen: dict[str, list[NDArray[np.float64]]] = {"all": [], "some": []}
    some = np.array([1, 4, 6, 7])

    def spy(name: str, cells: NDArray[np.intp]) -> Estimate:
        def again(weights: Weights) -> float:
            seen[name].append(weights)
            return 0.0

        return Estimate(0.0, cells, again)

    spy("all", np.arange(10)).replicates(10, halved(5, seed=3))
    spy("some", some).replicates(10, halved(5, seed=3))
    assert all(sorted(weights) == [0.0] * 5 + [1.0] * 5 for weights in seen["all"])
    assert len({tuple(weights) for weights in seen["all"]}) == 5
    for whole, part in zip(seen["all"], seen["some"], strict=True):
        assert np.array_equal(whole[some], part)


def test_a_half_without_any_of_the_cells_has_no_value() -> None:
    found = Estimate.of(np.array([3]), weighted_mean(np.array([0.5]))).replicates(30, halved(60))
    assert {None, 0.5} == set(found)


def test_halves_have_the_standard_error_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=400)
    estimate = Estimate.of(np.arange(400), weighted_mean(values))
    drawn = [value for value in estimate.replicates(400, halved(1000)) if value is not None]
    assert np.std(drawn) == pytest.approx(values.std() / 20, rel=0.1)


def test_no_replicates_where_none_are_wanted() -> None:
    assert Estimate.of(np.arange(2), weighted_mean(np.ones(2))).replicates(2, halved(0)) == []


@pytest.mark.parametrize("seed", range(5))
def test_weights_choose_cells(seed: int) -> None:
    random = np.random.default_rng(seed)
    n_cells = 80
    rows = np.sort(random.permutation(n_cells)[: n_cells // 2])
    drawn = np.isin(np.arange(n_cells), rows).astype(np.float64)
    values = random.normal(size=n_cells)
    groups = random.integers(4, size=n_cells)
    points = random.normal(size=(n_cells, 5)).astype(np.float32) + groups[:, None]

    def same(weighted: float, chosen: float) -> None:
        assert weighted == pytest.approx(chosen, abs=1e-7)

    same(weighted_mean(values)(drawn), values[rows].mean())
    same(weighted_median(values)(drawn), float(np.median(values[rows])))
    means = [values[rows][groups[rows] == code].mean() for code in np.unique(groups[rows])]
    same(mean_of_groups(values, groups)(drawn), float(np.mean(means)))
    shares = batch_share(points, groups), batch_share(points[rows], groups[rows])
    same(shares[0](drawn), shares[1](np.ones(len(rows))))


@pytest.mark.parametrize("metric", ["leiden_nmi", "leiden_ari", "kmeans_nmi", "kmeans_ari"])
def test_clusters_of_a_half_are_those_of_its_cells_alone(metric: str, case: Case) -> None:
    """As if the half were a dataset of its own: its neighbours, its clusters, its labels."""
    rows = np.sort(np.random.default_rng(0).permutation(N)[: N // 2])
    weights = np.zeros(N)
    weights[rows] = 1
    labels = case.sheet.labels
    assert labels is not None
    names = np.array([*labels.names, None], dtype=object)[labels.codes]
    alone = case_of(case.points[rows], names[rows])
    found = METRICS[metric].compute(case)
    assert found.again(weights[found.cells]) == pytest.approx(value_of(metric, alone), abs=1e-12)


def test_other_ways_to_compute_it_are_beside_the_value(case: Case) -> None:
    leiden, kmeans = METRICS["leiden_nmi"].compute(case), METRICS["kmeans_nmi"].compute(case)
    assert set(leiden.variants) == {"resolution_1"}
    assert leiden.variants["resolution_1"] <= leiden.value, "the best resolution is the best"
    assert set(kmeans.variants) == {"scib"}


def test_a_group_without_a_value_counts_nowhere() -> None:
    values, groups = np.array([1.0, 0.0, np.nan, np.nan]), np.array([0, 0, 1, 1])
    assert mean_of_groups(values, groups)(np.ones(4)) == 0.5
    assert mean_of_groups(values, groups)(np.array([2.0, 0, 1, 1])) == 1
    assert np.isnan(mean_of_groups(values, groups)(np.array([0.0, 0, 2, 2])))
    assert SHORT.replicates > 0
