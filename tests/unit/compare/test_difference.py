"""What changed between two folders, and whether it matters."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean, variance
from typing import Any

import pytest
from scipy.stats import t

from multiverse.compare.difference import Difference, DifferenceVerdict, Pair, compare_results
from multiverse.contract.job_spec import ImageReference
from multiverse.contract.scores import Reason, Score
from multiverse.errors import ResultsError
from multiverse.facts import Usage
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.scores import Evaluator, ScoresFile
from tests.unit.report.made import (
    HALVES,
    halves,
    keep_failure,
    make_evaluation,
    make_member,
    make_record,
    publish_run,
    scored_folder,
    write_evaluation,
)


def folder(
    path: Path,
    bio: float | None = 0.6,
    *,
    sd: float | None = 0.01,
    drawn: str = "",
    evaluation: dict[str, Any] | None = None,
    **changes: Any,
) -> ResultsFolder:
    """One run of pca, scored."""
    results = ResultsFolder(path)
    path.mkdir()
    run = publish_run(results, make_record(**changes))
    member = make_member("pca", bio, 0.5, sd=sd, drawn=drawn)
    write_evaluation(results, make_evaluation({run.run_id: member}, **(evaluation or {})))
    return results


def compared(tmp_path: Path, before: dict[str, Any], after: dict[str, Any]) -> Difference:
    return compare_results(
        Results.open(folder(tmp_path / "a", **before)),
        Results.open(folder(tmp_path / "b", **after)),
    )


def only(difference: Difference) -> Pair:
    assert len(difference.pairs) == 1
    return difference.pairs[0]


def verdicts(pair: Pair) -> dict[str, DifferenceVerdict]:
    return {change.name: change.verdict for change in pair.scores}


def test_equal_folders_differ_in_nothing(tmp_path: Path) -> None:
    difference = compared(tmp_path, {}, {})
    pair = only(difference)
    assert pair.identity == ()
    assert difference.warnings == difference.only_before == difference.only_after == ()
    assert set(verdicts(pair).values()) == {DifferenceVerdict.EQUAL}
    assert pair.rank == (1, 1)


def doubt(drawn: Sequence[str], sides: Sequence[Sequence[float]] = ((0.0,), (0.0,))) -> float:
    """How far the interval of a difference reaches, by hand; ``drawn``: of each side's halves."""
    halved = [halves("pca" + one, 0.0, 0.01) for one in drawn]
    cells = variance([a - b for a, b in zip(*halved, strict=True)])
    parts = [(cells, HALVES - 1)]
    parts += [(variance(side) / len(side), len(side) - 1) for side in sides if len(side) > 1]
    error = sqrt(sum(part for part, _ in parts))
    freedom = error**4 / sum(part**2 / free for part, free in parts)
    return float(t.ppf(0.975, freedom)) * error


@pytest.mark.parametrize(
    ("sign", "beyond", "verdict"),
    [
        (1, 1e-6, DifferenceVerdict.BETTER_OF_ONE),
        (1, -1e-6, DifferenceVerdict.WITHIN),
        (-1, -1e-6, DifferenceVerdict.WITHIN),
        (-1, 1e-6, DifferenceVerdict.WORSE_OF_ONE),
    ],
)
def test_a_difference_matters_beyond_the_doubt_in_it(
    tmp_path: Path, sign: int, beyond: float, verdict: DifferenceVerdict
) -> None:
    threshold = doubt(("", "after"))
    after = 0.6 + sign * (threshold + beyond)
    pair = only(compared(tmp_path, {}, {"bio": after, "drawn": "after"}))
    change = next(change for change in pair.scores if change.name == "bio")
    assert change.verdict is verdict
    assert change.threshold == pytest.approx(threshold)
    assert change.difference == pytest.approx(after - 0.6)
    assert verdicts(pair)["leiden_nmi"] is verdict
    assert verdicts(pair)["batch"] is DifferenceVerdict.EQUAL


def test_one_seed_is_never_plainly_better(tmp_path: Path) -> None:
    change = next(c for c in only(compared(tmp_path, {}, {"bio": 0.9})).scores if c.name == "bio")
    assert change.verdict.value == (
        "better beyond sampling of cells; one seed, the training's chance is not known"
    )


def seeds(path: Path, values: Sequence[float], drawn: str = "") -> ResultsFolder:
    """A run of pca for each bio score."""
    results = ResultsFolder(path)
    path.mkdir()
    runs = [publish_run(results, make_record(seed=seed)) for seed in range(len(values))]
    members = {
        run.run_id: make_member("pca", value, 0.5, drawn=drawn)
        for run, value in zip(runs, values, strict=True)
    }
    write_evaluation(results, make_evaluation(members))
    return results


@pytest.mark.parametrize(
    ("beyond", "verdict"), [(1e-6, DifferenceVerdict.BETTER), (-1e-6, DifferenceVerdict.WITHIN)]
)
def test_few_seeds_need_a_larger_difference(
    tmp_path: Path, beyond: float, verdict: DifferenceVerdict
) -> None:
    first, shape = [0.50, 0.51, 0.53], [0.0, 0.01]
    threshold = doubt(("", "after"), (first, shape))
    start = fmean(first) + threshold + beyond - fmean(shape)
    after = seeds(tmp_path / "b", [start + step for step in shape], drawn="after")
    pair = only(compare_results(Results.open(seeds(tmp_path / "a", first)), Results.open(after)))
    change = next(change for change in pair.scores if change.name == "bio")
    assert change.threshold == pytest.approx(threshold)
    assert change.verdict is verdict


def test_one_seed_against_several_is_still_one(tmp_path: Path) -> None:
    before = seeds(tmp_path / "a", [0.5])
    pair = only(
        compare_results(
            Results.open(before), Results.open(seeds(tmp_path / "b", [0.4, 0.401, 0.402]))
        )
    )
    assert verdicts(pair)["bio"] is DifferenceVerdict.WORSE_OF_ONE


def test_seeds_with_different_metrics_are_not_held_against_others(tmp_path: Path) -> None:
    before, after = (seeds(tmp_path / name, [0.5, 0.5]) for name in "ab")
    evaluation = ScoresFile.read(after.scores("pbmc")).evaluations[0]
    run_id, member = next(iter(evaluation.members.items()))
    gone = Score(value=None, reason=Reason.METRIC_FAILED)
    member = member.model_copy(update={"scores": {**member.scores, "bras": gone}})
    members = {**evaluation.members, run_id: member}
    write_evaluation(after, evaluation.model_copy(update={"members": members}))
    found = verdicts(only(compare_results(Results.open(before), Results.open(after))))
    assert found["total"] is found["batch"] is DifferenceVerdict.NOT_COMPARABLE
    assert found["bio"] is DifferenceVerdict.EQUAL


def test_without_intervals_it_is_not_known(tmp_path: Path) -> None:
    pair = only(compared(tmp_path, {"sd": None}, {"sd": None, "bio": 0.9}))
    assert verdicts(pair)["bio"] is DifferenceVerdict.NOT_KNOWN
    assert verdicts(pair)["batch"] is DifferenceVerdict.EQUAL


def test_lower_can_be_better(tmp_path: Path) -> None:
    metrics = make_evaluation({}).metrics
    lower = tuple(item.model_copy(update={"higher_is_better": False}) for item in metrics)
    pair = only(compared(tmp_path, {"evaluation": {"metrics": lower}}, {"bio": 0.9}))
    assert (
        verdicts(pair)["clisi"] is DifferenceVerdict.BETTER_OF_ONE
    )  # what B says of a metric counts
    other = tmp_path / "other"
    other.mkdir()
    last = {"metrics": lower}
    pair = only(compared(other, {"evaluation": last}, {"bio": 0.9, "evaluation": last}))
    assert verdicts(pair)["clisi"] is DifferenceVerdict.WORSE_OF_ONE


def test_a_lost_value_is_no_difference(tmp_path: Path) -> None:
    pair = only(compared(tmp_path, {}, {"bio": None}))
    assert verdicts(pair)["total"] is DifferenceVerdict.NO_VALUE
    assert verdicts(pair)["batch"] is DifferenceVerdict.EQUAL


IMAGE = ImageReference(tag="multiverse-pca:1.0.0", digest="sha256:" + "2" * 64)


@pytest.mark.parametrize(
    ("change", "what", "shown"),
    [
        ({"image": IMAGE}, "software", ("sha256:" + "1" * 64, "sha256:" + "2" * 64)),
        ({"model_version": "1.1.0"}, "model's version", ("1.0.0", "1.1.0")),
        ({"parameters": {"n_components": 3}}, "parameter n_components", ("2", "3")),
        ({"preprocessing": {}}, "preprocessing scale", ("True", "none")),
        ({"seed": 4}, "seeds", ("0", "4")),
        ({"device": "cuda:0"}, "device", ("cpu", "cuda")),
    ],
)
def test_what_is_not_the_same_is_named(
    tmp_path: Path, change: dict[str, Any], what: str, shown: tuple[str, str]
) -> None:
    found = {
        item.what: (item.before, item.after)
        for item in only(compared(tmp_path, {}, change)).identity
    }
    assert found == {what: shown}


def test_time_memory_and_ranks(tmp_path: Path) -> None:
    scores = {"pca": (0.5, 0.5), "mofa": (0.6, 0.6)}
    other = {"pca": (0.7, 0.7), "mofa": (0.6, 0.6)}
    usage = Usage(wall_seconds=20, peak_memory_bytes=2**20)
    difference = compare_results(
        Results.open(scored_folder(tmp_path / "a", scores)),
        Results.open(scored_folder(tmp_path / "b", other, usage=usage)),
    )
    pca = next(pair for pair in difference.pairs if pair.label == "pca")
    assert pca.rank == (2, 1)
    assert pca.seconds == (12.5, 20.0)
    assert pca.peak_bytes == (300 * 2**20, 2**20)


def test_other_data_are_said_first_and_not_compared(tmp_path: Path) -> None:
    fingerprint = "0" * 64
    changed = {"dataset_fingerprint": fingerprint}
    difference = compared(tmp_path, {}, {**changed, "evaluation": changed})
    assert difference.pairs == ()
    assert difference.warnings[0].startswith("pbmc is other data in B")
    assert difference.only_before == ("pbmc (ffffffff): pca",)
    assert difference.only_after == ("pbmc (00000000): pca",)


@pytest.mark.parametrize(
    ("evaluation", "what"),
    [
        ({"evaluator": Evaluator(version="1.0.0", scib_metrics="0.6.1")}, "scib-metrics' version"),
        ({"evaluator": Evaluator(version="2.0.0", scib_metrics="0.5.10")}, "evaluator's version"),
        ({"labels_fingerprint": "b" * 64}, "held-out labels"),
    ],
)
def test_other_evaluators_are_never_silently_compared(
    tmp_path: Path, evaluation: dict[str, Any], what: str
) -> None:
    difference = compared(tmp_path, {}, {"bio": 0.9, "evaluation": evaluation})
    assert any(f"pbmc: {what} differs" in warning for warning in difference.warnings)
    assert set(verdicts(only(difference)).values()) == {DifferenceVerdict.NOT_COMPARABLE}
    assert only(difference).scores[0].after is not None


def test_parameter_sets_find_their_own(tmp_path: Path) -> None:
    def several(path: Path, sizes: Sequence[int]) -> ResultsFolder:
        results = ResultsFolder(path)
        path.mkdir()
        for size in sizes:
            values = {"n_components": size}
            publish_run(results, make_record(parameters=values, changed=values))
        return results

    difference = compare_results(
        Results.open(several(tmp_path / "a", [2, 3, 5])),
        Results.open(several(tmp_path / "b", [5, 3, 4])),
    )
    assert sorted(pair.label for pair in difference.pairs) == [
        "pca n_components=3",
        "pca n_components=5",
    ]
    assert all(pair.identity == () and pair.scores == () for pair in difference.pairs)
    assert difference.only_before == ("pbmc (ffffffff): pca n_components=2",)
    assert difference.only_after == ("pbmc (ffffffff): pca n_components=4",)


def test_what_failed_in_the_other_folder_is_said(tmp_path: Path) -> None:
    before = scored_folder(tmp_path / "a")
    after = scored_folder(tmp_path / "b", {"pca": (0.6, 0.7), "totalvi": (0.8, 0.75)})
    keep_failure(after, "mofa")
    assert compare_results(Results.open(before), Results.open(after)).only_before == (
        "pbmc (ffffffff): mofa (not complete in the other: out of memory)",
    )


def test_damage_is_said_and_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    before, after = scored_folder(tmp_path / "a"), scored_folder(tmp_path / "b")
    after.scores("pbmc").write_text("{")
    difference = compare_results(Results.open(before), Results.open(after))
    assert difference.warnings[-1].startswith("B: ")
    assert all(pair.scores == () for pair in difference.pairs)
    with pytest.raises(ResultsError):
        compare_results(Results.open(before), Results.open(tmp_path / "none"))
