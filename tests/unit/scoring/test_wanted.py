"""What is new, and what has been outdated by something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from multiverse.contract.scores import Reason, Score
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.run import Run
from multiverse.runs.scores import (
    Aggregate,
    Evaluation,
    Evaluator,
    Member,
    MemberKind,
    Sheet,
)
from multiverse.scoring.wanted import is_current, siblings_of, wanted
from tests.unit.scoring.made import make_record
from tests.unit.scoring.scripted import METRICS

EVALUATOR = Evaluator(version="1.0.0", scib_metrics="0.5", settings={"seed": 0})
NONE = Aggregate(value=None, available=0, of=0)


def run(dataset: RegisteredDataset, seed: int = 0, **changes: object) -> Run:
    return Run(make_record(dataset, seed=seed, **changes), Path("x"))  # type: ignore[arg-type]


def member(reason: Reason | None = None, siblings: Sequence[str] = ()) -> Member:
    """Scored whole, or with one metric that has a reason."""
    scores = {metric.name: Score(value=0.5) for metric in METRICS}
    if reason is not None:
        scores["mixing"] = Score(value=None, reason=reason)
    stability = Score(value=0.5, parts=dict.fromkeys(siblings, 0.5))
    if not siblings:
        stability = Score(value=None, reason=Reason.ONE_SEED)
    scores["seed_stability"] = stability
    return Member(
        kind=MemberKind.RUN,
        name="m",
        scores=scores,
        bio=NONE,
        batch=NONE,
        total=NONE,
        siblings=tuple(siblings),
    )


def evaluation(
    dataset: RegisteredDataset, members: Mapping[str, Member], control: Reason | None = None
) -> Evaluation:
    record = dataset.record
    return Evaluation(
        dataset_fingerprint=record.fingerprint,
        labels_fingerprint=record.labels_fingerprint,
        n_obs=record.n_obs,
        modalities={},
        sheet=Sheet(
            label_key=record.label_key, batch_key=record.batch_key, unlabelled=record.unlabelled
        ),
        evaluator=EVALUATOR,
        metrics=METRICS,
        members=dict(members),
        controls={"random": member(control)},
        expected_controls=("random",),
    )


def test_everything_where_there_is_nothing(tiny: RegisteredDataset) -> None:
    runs = [run(tiny), run(tiny, model="mofa")]
    ids = tuple(item.record.run_id for item in runs)
    asked = wanted(runs, None, [])
    assert (asked.runs, asked.layouts, asked.controls) == (ids, ids, True)
    assert not asked.only
    assert not asked.nothing


def test_nothing_where_everything_is_there(tiny: RegisteredDataset) -> None:
    one = run(tiny)
    name = one.record.run_id
    asked = wanted([one], evaluation(tiny, {name: member()}), [name])
    assert asked.nothing
    assert not wanted([one], evaluation(tiny, {name: member()}), []).nothing


def test_a_new_run_and_no_other(tiny: RegisteredDataset) -> None:
    old, new = run(tiny), run(tiny, model="mofa")
    earlier = evaluation(tiny, {old.record.run_id: member()})
    asked = wanted([old, new], earlier, [old.record.run_id])
    assert asked.runs == asked.layouts == (new.record.run_id,)
    assert not asked.controls
    assert not asked.only


def test_a_seed_more_is_new_for_its_siblings_alone(tiny: RegisteredDataset) -> None:
    first, second, other = run(tiny, 0), run(tiny, 1), run(tiny, 0, model="mofa")
    ids = [item.record.run_id for item in (first, second, other)]
    earlier = evaluation(tiny, {ids[0]: member(), ids[2]: member()})
    asked = wanted([first, second, other], earlier, ids)
    assert asked.runs == (ids[1], ids[0])
    assert dict(asked.only) == {ids[0]: ("seed_stability",)}
    assert dict(asked.siblings) == {ids[0]: (ids[1],), ids[1]: (ids[0],)}


def test_a_seed_less_is_seen_as_well(tiny: RegisteredDataset) -> None:
    left = run(tiny)
    name = left.record.run_id
    asked = wanted([left], evaluation(tiny, {name: member(siblings=["gone"])}), [name])
    assert dict(asked.only) == {name: ("seed_stability",)}


@pytest.mark.parametrize("reason", Reason)
def test_only_what_was_of_the_moment_is_tried_again(
    tiny: RegisteredDataset, reason: Reason
) -> None:
    one = run(tiny)
    name = one.record.run_id
    again = reason in (Reason.EVALUATOR_FAILED, Reason.DAMAGED)
    of_run = wanted([one], evaluation(tiny, {name: member(reason)}), [name])
    assert of_run.runs == ((name,) if again else ())
    assert not of_run.only, "all of its metrics, because its mean is to be of one evaluation"
    of_control = wanted([one], evaluation(tiny, {name: member()}, control=reason), [name])
    assert of_control.controls is again


def test_a_run_that_was_made_again_is_another_embedding(tiny: RegisteredDataset) -> None:
    """Its id is that of the request; its siblings' stability was measured against the old one."""
    first, second = run(tiny, 0), run(tiny, 1)
    ids = [item.record.run_id for item in (first, second)]
    members = {ids[0]: member(siblings=[ids[1]]), ids[1]: member(siblings=[ids[0]])}
    assert wanted([first, second], evaluation(tiny, members), ids).nothing
    again = run(tiny, 1, checksums={"embeddings.h5": "sha256:" + "1" * 64})
    asked = wanted([first, again], evaluation(tiny, members), ids)
    assert asked.runs == (ids[1], ids[0])
    assert dict(asked.only) == {ids[0]: ("seed_stability",)}


def test_seeds_without_a_stability_are_not_asked_for_again(tiny: RegisteredDataset) -> None:
    first, second = run(tiny, 0), run(tiny, 1)
    ids = [item.record.run_id for item in (first, second)]
    few = Score(value=None, reason=Reason.TOO_FEW_CELLS)
    members = {
        name: item.model_copy(update={"scores": {**item.scores, "seed_stability": few}})
        for name, item in ((ids[0], member(siblings=[ids[1]])), (ids[1], member(siblings=[ids[0]])))
    }
    assert wanted([first, second], evaluation(tiny, members), ids).nothing


def test_a_control_that_was_never_finished_is_asked_for(tiny: RegisteredDataset) -> None:
    one = run(tiny)
    name = one.record.run_id
    earlier = evaluation(tiny, {name: member()}).model_copy(
        update={"expected_controls": ("random", "label_oracle")}
    )
    assert wanted([one], earlier, [name]).controls


def test_siblings_differ_in_their_seed_alone(tiny: RegisteredDataset) -> None:
    runs = [run(tiny, seed) for seed in (0, 1, 2)]
    alone = [run(tiny, 3, identity={"parameters": {"n": 6}}), run(tiny, 0, model="mofa")]
    found = siblings_of([*runs, *alone])
    ids = sorted(item.record.run_id for item in runs)
    assert found == {name: tuple(other for other in ids if other != name) for name in ids}


def test_scores_of_the_same_question_are_current(tiny: RegisteredDataset) -> None:
    earlier = evaluation(tiny, {})
    assert is_current(earlier, tiny, EVALUATOR)
    shuffled = earlier.model_copy(update={"sheet": earlier.sheet.model_copy()})
    assert is_current(Evaluation.model_validate_json(shuffled.model_dump_json()), tiny, EVALUATOR)


@pytest.mark.parametrize(
    "change", [{"version": "1.0.1"}, {"scib_metrics": "0.6"}, {"settings": {"seed": 1}}], ids=str
)
def test_another_evaluator_outdates_scores(
    tiny: RegisteredDataset, change: dict[str, object]
) -> None:
    assert not is_current(evaluation(tiny, {}), tiny, EVALUATOR.model_copy(update=change))


@pytest.mark.parametrize(
    "change",
    [
        {"labels_fingerprint": "0" * 64},
        {"label_key": "other"},
        {"label_key": None},
        {"batch_key": None},
        {"unlabelled": ("unknown",)},
    ],
    ids=str,
)
def test_another_answer_sheet_outdates_scores(
    tiny: RegisteredDataset, change: dict[str, object]
) -> None:
    other = RegisteredDataset(tiny.record.model_copy(update=change), tiny.folder)
    assert not is_current(evaluation(tiny, {}), other, EVALUATOR)


def test_the_order_of_unlabelled_is_no_difference(tiny: RegisteredDataset) -> None:
    def with_words(*words: str) -> RegisteredDataset:
        record = tiny.record.model_copy(update={"unlabelled": words})
        return RegisteredDataset(record, tiny.folder)

    assert is_current(evaluation(with_words("a", "b"), {}), with_words("b", "a"), EVALUATOR)
