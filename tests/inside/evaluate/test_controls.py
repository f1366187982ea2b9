"""Controls: which there are, and that they show what a number is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from multiverse.contract.evaluation import ScoreLine
from multiverse.contract.scores import Group
from multiverse.evaluation.controls import controls
from multiverse.evaluation.member import MemberContext, score_member
from tests.inside.evaluate.cases import METRICS, bench_of, blobs, case_of, sheet_of, view_of

N = 150
DATA = blobs(N)


def test_there_is_what_the_data_have() -> None:
    views = {"rna": view_of("rna", DATA.points)}
    some = view_of("adt", DATA.points[:60], np.arange(60))
    whole = sheet_of(N, DATA.labels, DATA.batches)
    assert set(controls(whole, views, 0)) == {
        "random",
        "batch_one_hot",
        "label_oracle",
        "pca_rna",
    }
    assert set(controls(sheet_of(N), {**views, "adt": some}, 0)) == {"random", "pca_rna"}
    one = sheet_of(N, ["T"] * N, ["b"] * N)
    assert set(controls(one, {}, 0)) == {"random"}, "one category is no axis"


def test_the_seed_decides() -> None:
    sheet = sheet_of(N, DATA.labels, DATA.batches)
    first, again, other = (controls(sheet, {}, seed) for seed in (0, 0, 1))
    for name, points in first.items():
        assert np.array_equal(points, again[name])
        assert not np.array_equal(points, other[name])
        assert points.dtype == np.float32
        assert len(np.unique(points, axis=0)) == N, "no two cells at one place"


def test_categories_are_places_and_cells_without_one_lie_between() -> None:
    labels = DATA.labels.copy()
    labels[:20] = None
    oracle = controls(sheet_of(N, labels), {}, 0)["label_oracle"]
    assert oracle.shape == (N, 3)
    lengths = np.linalg.norm(oracle, axis=1)
    assert lengths[:20].max() < 0.5 < lengths[20:].min()
    kinds = np.unique(labels[20:].astype(str), return_inverse=True)[1]
    assert np.array_equal(oracle[20:].argmax(axis=1), kinds)


def test_hundreds_of_categories_are_still_apart() -> None:
    labels = [f"type {number % 300}" for number in range(3000)]
    oracle = controls(sheet_of(3000, labels), {}, 0)["label_oracle"]
    assert oracle.shape == (3000, 30)
    same = np.linalg.norm(oracle[:300] - oracle[300:600], axis=1)
    other = np.linalg.norm(oracle[:300] - oracle[301:601], axis=1)
    assert np.median(same) < np.median(other) / 2


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """Control → metric → value, on 300 cells, all by name as the evaluator does it."""
    data = blobs(300)
    view = view_of("rna", data.points, reference=blobs(300, shift=1).points)
    case = case_of(data.points, data.labels, data.batches, views=[view])
    bench: MemberContext = bench_of(tmp_path_factory.mktemp("controls"), case)
    names = [name for name in METRICS if name != "seed_stability"]
    metrics = tuple(METRICS[name] for name in names)
    found: dict[str, dict[str, float]] = {}
    for control in ("random", "label_oracle", "batch_one_hot", "pca_rna"):
        lines = [
            line for line in score_member(bench, control, metrics) if isinstance(line, ScoreLine)
        ]
        found[control] = {line.metric: line.value for line in lines if line.value is not None}
        assert set(found[control]) == set(names)
    return found


@pytest.mark.parametrize(
    "metric", [name for name, metric in METRICS.items() if metric.group is Group.BIO]
)
def test_the_oracle_beats_random_at_biology(
    metric: str, values: dict[str, dict[str, float]]
) -> None:
    assert values["label_oracle"][metric] > values["random"][metric] + 0.2
    assert values["label_oracle"][metric] > 0.85


def test_random_mixes_batches_and_the_batch_itself_does_not(
    values: dict[str, dict[str, float]],
) -> None:
    for metric in ("ilisi", "kbet_per_label", "bras"):
        assert values["random"][metric] > 0.75
        assert values["batch_one_hot"][metric] < 0.15
    assert values["pca_rna"]["neighbourhood_preservation"] > 0.2
    assert values["random"]["neighbourhood_preservation"] < 0.1


def test_a_run_may_not_take_the_name_of_a_control(tmp_path: Path) -> None:
    """Run ids are hashes: a control is asked for by its name, whatever is on disk."""
    case = case_of(DATA.points, DATA.labels)
    bench = bench_of(tmp_path, case)
    assert np.array_equal(bench.points("random"), controls(case.sheet, {}, 0)["random"])
    assert np.array_equal(bench.points("run"), case.points)
