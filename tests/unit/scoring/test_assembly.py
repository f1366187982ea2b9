"""From lines to ``scores.json`` and back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from multiverse.contract.evaluation import ScoreLine, SheetLine
from multiverse.contract.job_spec import ImageReference
from multiverse.contract.scores import Reason
from multiverse.engines.protocol import Runtime
from multiverse.errors import ResultsError
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.run import Run
from multiverse.runs.scores import EvaluationRecord, Evaluator, ScoresFile, Weights
from multiverse.scoring.collected import Collected
from multiverse.scoring.evaluation import MAX_RECORDS, Assembly
from multiverse.scoring.wanted import Wanted
from multiverse.specs.evaluator import EvaluatorSpec
from tests.unit.scoring.made import make_record
from tests.unit.scoring.scripted import METRICS, ScriptedEngine

IMAGE = ImageReference(tag="multiverse-evaluate:1.0.0", digest="sha256:" + "a" * 64)
EVALUATOR = Evaluator(version="1.0.0", scib_metrics="0.5", settings={"seed": 0})
HOSTILE = (
    '<img src=x onerror="alert(1)">',
    "\x1b[31mred",
    "a\u202eb",
    "🦠",
    "'; rm -rf ~; '",
    "x" * 9,
)


def runs_of(dataset: RegisteredDataset, *models: str) -> list[Run]:
    return [Run(make_record(dataset, model), Path("x")) for model in models]


def said(members: dict[str, float | None], labels: dict[str, int] | None = None) -> Collected:
    """A value for every metric of a member, None for a reason; random 0.1 and oracle 0.9."""
    collected = Collected()
    collected.sheet = SheetLine(
        n_obs=120,
        modalities={"rna": 60},
        labels=labels or {"a": 100, "unknown": 20},
        n_unlabelled=4,
        batches={"b1": 60, "b2": 60},
        metrics=METRICS,
        controls=("random", "label_oracle"),
        versions={"jax": "1"},
        notes=("a note",),
        n_steps=3,
    )
    for member, value in {"random": 0.1, "label_oracle": 0.9, **members}.items():
        for metric in METRICS:
            reason = Reason.ONE_BATCH if value is None else None
            line = ScoreLine(
                member=member, metric=metric.name, value=value, reason=reason, seconds=2.0
            )
            collected.add(line.model_dump_json().encode())
    return collected


@pytest.fixture
def assembly(tiny: RegisteredDataset) -> Assembly:
    runs = runs_of(tiny, "pca", "mofa")
    values = {runs[0].record.run_id: 0.5, runs[1].record.run_id: None}
    return Assembly(
        dataset=tiny,
        runs=runs,
        damaged={},
        earlier=None,
        evaluator=EVALUATOR,
        runtime=Runtime(model=EvaluatorSpec.load(), image=IMAGE),
        collected=said(values),
        records=[record()],
        wanted=Wanted((), {}, controls=True, siblings={}, layouts=()),
        weights=Weights(),
    )


def record() -> EvaluationRecord:
    return EvaluationRecord(started_at="now", members=(), engine=ScriptedEngine().facts())


def test_members_controls_and_what_is_known_of_the_sheet(assembly: Assembly) -> None:
    made = assembly.evaluation()
    good, bad = (made.members[run.record.run_id] for run in assembly.runs)
    assert (good.name, good.kind, good.image) == ("pca", "run", IMAGE)
    assert good.total.value == pytest.approx(0.5)
    assert good.scores["mixing"].scaled == pytest.approx(0.5)
    assert good.seconds == 2.0 * len(METRICS)
    assert bad.scores["mixing"].reason is Reason.ONE_BATCH
    assert bad.total.value is None
    assert {made.controls[name].kind for name in ("random", "label_oracle")} == {"control"}
    assert made.sheet.n_unlabelled == 4
    assert made.sheet.batches == {"b1": 60, "b2": 60}
    assert made.evaluator.versions == {"jax": "1"}
    assert made.notes[0] == "a note"
    assert "the label 'unknown' (20 cells) counts as a cell type" in made.notes[1]


def test_declared_labels_are_not_pointed_out(assembly: Assembly) -> None:
    record_ = assembly.dataset.record.model_copy(update={"unlabelled": ("unknown",)})
    declared = replace(assembly, dataset=RegisteredDataset(record_, assembly.dataset.folder))
    made = declared.evaluation()
    assert made.notes == ("a note",)
    assert made.sheet.unlabelled == ("unknown",)


def test_the_file_is_what_was_written(assembly: Assembly, tmp_path: Path) -> None:
    labels = {name: number + 1 for number, name in enumerate(HOSTILE)}
    hostile = replace(assembly, collected=said({assembly.runs[0].record.run_id: 0.25}, labels))
    file = ScoresFile(dataset="tiny", evaluations=(hostile.evaluation(),))
    path = tmp_path / "scores.json"
    path.write_text(file.to_json())
    assert ScoresFile.read(path) == file
    assert ScoresFile.read(path).evaluations[0].sheet.labels == labels
    content = json.loads(path.read_text())
    for member in content["evaluations"][0]["members"].values():
        for score in member["scores"].values():
            assert (score["value"] is None) != (score["reason"] is None)


@pytest.mark.parametrize("change", [{"value": None}, {"reason": "one_class"}, {"value": "NaN"}])
def test_a_value_without_a_reason_and_the_like_are_refused(
    assembly: Assembly, tmp_path: Path, change: dict[str, object]
) -> None:
    file = ScoresFile(dataset="tiny", evaluations=(assembly.evaluation(),))
    content = json.loads(file.to_json())
    member = content["evaluations"][0]["members"][assembly.runs[0].record.run_id]
    member["scores"]["mixing"] |= change
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ResultsError, match="can't be read as scores") as caught:
        ScoresFile.read(path)
    assert "multiverse evaluate RESULTS --again" in str(caught.value.remedy)


def test_what_was_known_before_stays(assembly: Assembly) -> None:
    earlier = assembly.evaluation()
    first, second = (run.record.run_id for run in assembly.runs)
    only_second = said({second: 0.7})
    for control in ("random", "label_oracle"):
        del only_second.lines[control]
    later = replace(assembly, earlier=earlier, collected=only_second).evaluation()
    assert later.members[first] == earlier.members[first]
    assert later.controls == earlier.controls
    assert later.members[second].scores["mixing"].scaled == pytest.approx(0.75)
    assert len(later.records) == 2


def test_a_run_that_was_made_again_loses_the_scores_of_before(assembly: Assembly) -> None:
    """Also where the evaluator has said nothing of it yet."""
    first, second = assembly.runs
    sums = {"embeddings.h5": "sha256:" + "7" * 64}
    again = Run(first.record.model_copy(update={"checksums": sums}), first.folder)
    before = Run(
        first.record.model_copy(update={"checksums": {"embeddings.h5": "sha256:" + "6" * 64}}),
        first.folder,
    )
    earlier = replace(assembly, runs=[before, second]).evaluation()
    assert set(earlier.members) == {first.record.run_id, second.record.run_id}
    nothing = replace(assembly, earlier=earlier, collected=Collected(), runs=[again, second])
    assert set(nothing.evaluation().members) == {second.record.run_id}


def test_remarks_on_values_stay_while_the_values_do(assembly: Assembly) -> None:
    """Here the evaluator was started for a layout only."""
    collected = said({assembly.runs[0].record.run_id: 0.5})
    lines = collected.lines[assembly.runs[0].record.run_id]
    lines["mixing"] = lines["mixing"].model_copy(update={"detail": "rests on few cells"})
    earlier = replace(assembly, collected=collected).evaluation()
    assert "mixing: rests on few cells (pca)" in earlier.notes
    layout_only = Collected(sheet=collected.sheet)
    later = replace(assembly, earlier=earlier, collected=layout_only).evaluation()
    assert later.notes == earlier.notes


def test_members_are_in_the_order_of_the_runs_whoever_was_done_first(assembly: Assembly) -> None:
    made = assembly.evaluation()
    lines = dict(reversed(assembly.collected.lines.items()))
    other = Collected(sheet=assembly.collected.sheet, lines=lines)
    turned = replace(assembly, collected=other).evaluation()
    assert list(turned.members) == list(made.members)
    assert list(turned.members) == [run.record.run_id for run in assembly.runs]
    assert list(turned.controls) == list(made.controls) == ["random", "label_oracle"]


def test_nothing_new_changes_nothing(assembly: Assembly) -> None:
    earlier = assembly.evaluation()
    nothing = replace(assembly, earlier=earlier, collected=Collected(), records=[])
    assert nothing.evaluation() == earlier


def test_one_new_score_leaves_the_means_alone(assembly: Assembly) -> None:
    earlier = assembly.evaluation()
    first = assembly.runs[0].record.run_id
    one = said({first: 0.9})
    for control in ("random", "label_oracle"):
        del one.lines[control]
    one.lines[first] = {"seed_stability": one.lines[first]["seed_stability"]}
    unasked = replace(assembly, earlier=earlier, collected=one)
    assert unasked.evaluation().members[first] == earlier.members[first], "it was stopped midway"
    asked = replace(
        assembly.wanted, runs=(first,), only={first: ("seed_stability",)}, siblings={first: ("b",)}
    )
    later = replace(unasked, wanted=asked).evaluation()
    assert later.members[first].siblings == ("b",)
    assert later.members[first].scores["seed_stability"].value == 0.9
    assert later.members[first].scores["mixing"].value == 0.5
    assert later.members[first].total == earlier.members[first].total


def test_a_run_that_was_damaged_since_has_no_value_any_more(assembly: Assembly) -> None:
    earlier = assembly.evaluation()
    first = assembly.runs[0].record.run_id
    later = replace(
        assembly, earlier=earlier, damaged={first: "it is gone"}, collected=Collected()
    ).evaluation()
    scores = later.members[first].scores
    assert {(score.value, score.reason, score.detail) for score in scores.values()} == {
        (None, Reason.DAMAGED, "it is gone")
    }
    assert set(scores) == {metric.name for metric in METRICS}
    assert later.members[first].total.coverage == "0/3"


def test_records_are_not_kept_for_ever(assembly: Assembly) -> None:
    earlier = assembly.evaluation().model_copy(update={"records": (record(),) * MAX_RECORDS})
    assert len(replace(assembly, earlier=earlier).evaluation().records) == MAX_RECORDS
