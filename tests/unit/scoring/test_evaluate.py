"""A results folder is scored: what is new only, and whatever happens to one member or dataset."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.contract.files import MAX_FILE_BYTES
from multiverse.contract.scores import Reason
from multiverse.errors import Cancelled, ResultsError
from multiverse.events import Event, MetricScored, silent
from multiverse.facts import Cause, RunState
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runner.capacity import Machine
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.scores import Evaluation, ScoresFile
from multiverse.runs.writing import write_atomic
from multiverse.scoring.cohort import MAX_STARTS
from multiverse.scoring.embeddings_file import layouts_that_hold
from multiverse.scoring.evaluate import evaluate_results
from multiverse.scoring.outcome import ScoringOptions, ScoringOutcome
from tests.told import notes_into
from tests.unit.scoring.made import (
    files_below,
    make_data,
    make_record,
    noise,
    publish_run,
    register,
    spoil,
)
from tests.unit.scoring.scripted import (
    GIB,
    KILLED,
    METRICS,
    NO_MEMORY,
    Script,
    ScriptedEngine,
    Start,
    ends_at,
    everything,
    floods,
    hangs_at,
    loses,
    one_line_a_start,
    says_nothing,
    the_sheet_only,
    without_layouts,
)


def evaluate(
    results: ResultsFolder,
    engine: ScriptedEngine,
    said: list[str] | None = None,
    **options: object,
) -> list[ScoringOutcome]:
    chosen = ScoringOptions(**options)  # type: ignore[arg-type]
    return evaluate_results(
        Results.open(results), engine, chosen, tell=notes_into([] if said is None else said)
    )


def scores(results: ResultsFolder, slug: str = "tiny") -> Evaluation:
    (evaluation,) = ScoresFile.read(results.scores(slug)).evaluations
    return evaluation


def at_work(results: ResultsFolder) -> list[Path]:
    return list(results.evaluations.iterdir()) if results.evaluations.is_dir() else []


def test_every_complete_run_is_scored_once(results: ResultsFolder, tiny: RegisteredDataset) -> None:
    runs = [publish_run(results, tiny, model) for model in ("pca", "mofa")]
    engine = ScriptedEngine()
    (outcome,) = evaluate(results, engine)
    assert (outcome.scored, outcome.known, outcome.problem) == (2, 0, "")
    found = scores(results)
    assert set(found.members) == {run.record.run_id for run in runs}
    assert set(found.controls) == {"random", "label_oracle"}
    for member in (*found.members.values(), *found.controls.values()):
        assert set(member.scores) == {metric.name for metric in METRICS}
        assert member.image == found.records[0].image is not None
    assert found.dataset_fingerprint == tiny.record.fingerprint
    assert found.labels_fingerprint == tiny.record.labels_fingerprint
    before = files_below(results.folder)
    (again,) = evaluate(results, engine)
    assert (again.scored, again.known) == (0, 2)
    assert len(engine.starts) == 1
    changed = {n for n, content in files_below(results.folder).items() if before[n] != content}
    assert not changed
    assert not at_work(results)


def test_each_metric_of_each_member_is_told(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    publish_run(results, tiny, "pca")
    told: list[Event] = []
    evaluate_results(Results.open(results), ScriptedEngine(), ScoringOptions(), tell=told.append)
    scored = [event for event in told if isinstance(event, MetricScored)]
    assert {f"pca · {metric.name}" for metric in METRICS} <= {event.what for event in scored}
    done = [event.done for event in scored]
    assert done == sorted(done)
    assert done[-1] > 0


def test_what_the_evaluator_is_given(results: ResultsFolder, tiny: RegisteredDataset) -> None:
    run = publish_run(results, tiny)
    engine = ScriptedEngine()
    evaluate(results, engine, settings=EvaluationSettings(replicates=3))
    (start,) = engine.starts
    name = f"embeddings/{run.record.run_id}.h5"
    assert start.execution.data == tiny.data
    assert dict(start.execution.more_inputs) == {
        "labels.h5ad": tiny.labels,
        name: (run.folder / "embeddings.h5").resolve(),
    }
    assert start.execution.labels["multiverse.evaluation"] == str(results.folder.resolve())
    assert "multiverse.results" not in start.execution.labels, "a runner would sweep it"
    assert start.execution.device == "cpu"
    request = start.request
    assert (request.label_key, request.batch_key) == ("cell_type", "batch")
    assert request.settings.replicates == 3
    assert request.modalities == tuple(tiny.record.modalities)


def test_a_new_run_is_scored_alone(results: ResultsFolder, tiny: RegisteredDataset) -> None:
    first = publish_run(results, tiny, "pca")
    engine = ScriptedEngine()
    evaluate(results, engine)
    kept = scores(results)
    second = publish_run(results, tiny, "mofa")
    (outcome,) = evaluate(results, engine)
    assert (outcome.scored, outcome.known) == (1, 1)
    assert engine.starts[1].members == (second.record.run_id,)
    found = scores(results)
    assert found.members[first.record.run_id] == kept.members[first.record.run_id]
    assert found.controls == kept.controls
    assert len(found.records) == 2
    # Scaled by the controls of the first evaluation: (0.5 - 0.1) / (0.9 - 0.1).
    scaled = found.members[second.record.run_id].scores["first_bio"].scaled
    assert scaled == pytest.approx(0.5)


def test_another_seed_changes_the_stability_of_its_siblings_and_nothing_else(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    first = publish_run(results, tiny, seed=0).record.run_id
    engine = ScriptedEngine()
    evaluate(results, engine)
    before = scores(results).members[first]
    assert before.scores["seed_stability"].reason is Reason.ONE_SEED
    second = publish_run(results, tiny, seed=1).record.run_id
    (outcome,) = evaluate(results, engine)
    assert (outcome.scored, outcome.known) == (1, 1)
    request = engine.starts[1].request
    assert dict(request.only) == {first: ("seed_stability",)}
    assert f"embeddings/{first}.h5" in engine.starts[1].execution.more_inputs
    after = scores(results).members[first]
    assert set(after.scores["seed_stability"].parts) == {second}
    unchanged = {name: score for name, score in after.scores.items() if name != "seed_stability"}
    assert unchanged == {name: before.scores[name] for name in unchanged}
    assert (after.total, after.evaluated_at) == (before.total, before.evaluated_at)
    evaluate(results, engine)
    assert len(engine.starts) == 2


def test_a_run_that_is_gone_is_gone_from_the_scores(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    kept, gone = (publish_run(results, tiny, model) for model in ("pca", "mofa"))
    engine = ScriptedEngine()
    evaluate(results, engine)
    gone.folder.rename(results.folder.parent / "elsewhere")
    evaluate(results, engine)
    assert set(scores(results).members) == {kept.record.run_id}
    assert len(engine.starts) == 1


@pytest.mark.parametrize(
    "options", [{"again": True}, {"settings": EvaluationSettings(lisi_neighbours=30)}], ids=str
)
def test_everything_is_scored_anew(
    results: ResultsFolder, tiny: RegisteredDataset, options: dict[str, object]
) -> None:
    run = publish_run(results, tiny)
    engine = ScriptedEngine()
    evaluate(results, engine)
    (outcome,) = evaluate(results, engine, None, **options)
    assert (outcome.scored, outcome.known) == (1, 0)
    assert engine.starts[1].request.controls is None
    assert engine.starts[1].request.runs == (run.record.run_id,)
    if "again" in options:
        assert engine.starts[1].request.umaps == (run.record.run_id,)


def test_other_labels_of_the_same_data(
    results: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    first = register(home)
    publish_run(results, first)
    engine = ScriptedEngine()
    evaluate(results, engine)
    labels = [f"other-{number % 4}" for number in range(120)]
    second = register(home, data=make_data(cell_type=labels), replace=True)
    assert second.record.fingerprint == first.record.fingerprint
    (outcome,) = evaluate(results, engine)
    assert outcome.scored == 1
    assert engine.starts[1].execution.more_inputs["labels.h5ad"] == second.labels
    assert scores(results).labels_fingerprint == second.record.labels_fingerprint


def test_one_evaluation_a_fingerprint_and_a_file_each(
    results: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    first = register(home)
    second = register(home, data=make_data(90), replace=True)
    runs = {item.record.fingerprint: publish_run(results, item) for item in (first, second)}
    # Everything but layouts: those of the script are of 120 cells.
    outcomes = evaluate(results, ScriptedEngine((without_layouts,)))
    assert [outcome.problem for outcome in outcomes] == ["", ""]
    file = ScoresFile.read(results.scores("tiny"))
    assert {item.dataset_fingerprint: set(item.members) for item in file.evaluations} == {
        fingerprint: {run.record.run_id} for fingerprint, run in runs.items()
    }
    other = file.evaluations[1].dataset_fingerprint[:8]
    made = {path.name for path in results.embeddings("tiny").parent.glob("*.h5ad")}
    assert made == {"embeddings.h5ad", f"embeddings-{other}.h5ad"}


def test_data_that_are_not_registered_here_are_named_and_the_rest_is_scored(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    publish_run(results, tiny)
    other = tiny.record.model_copy(update={"slug": "stranger", "fingerprint": "9" * 64})
    publish_run(results, RegisteredDataset(other, tiny.folder))
    said: list[str] = []
    outcomes = {item.dataset: item for item in evaluate(results, ScriptedEngine(), said)}
    assert outcomes["tiny"].scored == 1
    assert "not registered on this machine" in outcomes["stranger"].problem
    assert "multiverse register FILE --slug stranger" in outcomes["stranger"].problem
    (sentence,) = outcomes["stranger"].problems
    assert sentence.count("stranger: ") == 1
    assert "nothing can be scored against them. Register the file" in sentence
    assert outcomes["tiny"].problems == []
    assert any("stranger" in line for line in said)
    assert not results.scores("stranger").exists()


def test_a_folder_that_was_moved_keeps_its_scores(
    results: ResultsFolder,
    tiny: RegisteredDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a machine without the data nothing is new, which is no failure; a new run has no score."""
    publish_run(results, tiny)
    evaluate(results, ScriptedEngine())
    before = results.scores("tiny").read_text()
    monkeypatch.setenv("MULTIVERSE_HOME", str(tmp_path / "elsewhere"))
    said: list[str] = []
    (outcome,) = evaluate(results, ScriptedEngine(), said)
    assert (outcome.scored, outcome.known, outcome.problem) == (0, 1, "")
    assert said[-1] == (
        "tiny: the data are not on this machine: the scores are kept as they are, and "
        "tiny/embeddings.h5ad has the cells with their labels (cell_type)."
    )
    publish_run(results, tiny, seed=1)
    (outcome,) = evaluate(results, ScriptedEngine())
    assert outcome.problem.endswith(
        "nothing can be scored against them. Register the file they came from: multiverse register "
        "FILE --slug tiny. What was scored is kept, and tiny/embeddings.h5ad has its cells with "
        "all their columns."
    )
    assert results.scores("tiny").read_text() == before


def test_nothing_to_score_says_what_to_do(
    results: ResultsFolder, tiny: RegisteredDataset, tmp_path: Path
) -> None:
    engine = ScriptedEngine()
    with pytest.raises(ResultsError, match="has no complete run to score"):
        evaluate(results, engine)
    attempt = results.new_attempt("a" * 16)
    failed = make_record(tiny, state=RunState.FAILED, cause=Cause.MODEL_ERROR)
    write_atomic(attempt.record, failed.to_json())
    with pytest.raises(ResultsError, match="has no complete run to score"):
        evaluate(results, engine)
    with pytest.raises(ResultsError, match="is not a results folder"):
        evaluate(ResultsFolder(tmp_path / "nowhere"), engine)
    publish_run(results, tiny)
    with pytest.raises(ResultsError, match="no complete run on other") as caught:
        evaluate(results, engine, datasets=("other",))
    assert "tiny" in str(caught.value.remedy)
    assert not engine.starts


def test_a_record_that_can_not_be_read_is_named(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    runs = [publish_run(results, tiny, model) for model in ("a", "b")]
    write_atomic(runs[0].folder / "run.json", "{")
    said: list[str] = []
    (outcome,) = evaluate(results, ScriptedEngine(), said)
    assert (outcome.scored, outcome.known) == (1, 0)
    (line,) = (line for line in said if "is not a run's record" in line)
    assert line.startswith(f"{runs[0].folder / 'run.json'} is not a run's record: Invalid JSON")


def test_only_the_datasets_that_are_named(
    results: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    for slug in ("one", "two"):
        publish_run(results, register(home, slug))
    (outcome,) = evaluate(results, ScriptedEngine(), datasets=("two",))
    assert outcome.dataset == "two"
    assert not results.scores("one").exists()


def test_a_damaged_embedding_is_not_scored_until_it_is_whole(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    good, bad, gone = (publish_run(results, tiny, model) for model in ("a", "b", "c"))
    original = (bad.folder / "embeddings.h5").read_bytes()
    spoil(bad)
    (gone.folder / "embeddings.h5").unlink()
    engine, said = ScriptedEngine(), list[str]()
    (outcome,) = evaluate(results, engine, said)
    assert outcome.scored == 1
    assert "2 runs are damaged (multiverse verify)" in outcome.problem
    assert any(
        f"{bad.record.run_id} is not scored: embeddings.h5 is not the file" in line for line in said
    )
    assert any(
        f"{gone.record.run_id} is not scored: embeddings.h5 is missing" in line for line in said
    )
    members = scores(results).members
    for run in (bad, gone):
        member = members[run.record.run_id]
        assert {score.reason for score in member.scores.values()} == {Reason.DAMAGED}
        assert member.total.value is None
    assert members[good.record.run_id].total.value == pytest.approx(0.5)
    assert set(layouts_that_hold(results.embeddings("tiny"), [good, bad, gone])) == {
        good.record.run_id
    }
    (bad.folder / "embeddings.h5").write_bytes(original)
    (outcome,) = evaluate(results, engine)
    assert engine.starts[1].request.runs == (bad.record.run_id,)
    assert scores(results).members[bad.record.run_id].total.value == pytest.approx(0.5)


def test_when_all_runs_were_damaged_they_are_scored_once_they_are_whole(
    results: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    bare = register(home, batch_key=None, label_key=None)
    run = publish_run(results, bare)
    original = (run.folder / "embeddings.h5").read_bytes()
    spoil(run)
    engine = ScriptedEngine()
    (outcome,) = evaluate(results, engine)
    assert "1 run is damaged (multiverse verify)" in outcome.problem
    assert not engine.starts
    (run.folder / "embeddings.h5").write_bytes(original)
    (outcome,) = evaluate(results, engine)
    assert (outcome.scored, outcome.problem) == (1, "")
    found = scores(results)
    assert set(found.controls) == {"random", "label_oracle"}
    assert found.members[run.record.run_id].scores["first_bio"].value == 0.5


def test_scores_that_are_damaged_are_made_anew(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    publish_run(results, tiny)
    engine, said = ScriptedEngine(), list[str]()
    evaluate(results, engine)
    results.scores("tiny").write_text(results.scores("tiny").read_text()[:-100])
    (outcome,) = evaluate(results, engine, said)
    assert (outcome.scored, outcome.problem) == (1, "")
    assert any("everything is scored again" in line for line in said)
    assert len(scores(results).members) == 1


def test_an_embedding_of_other_cells_or_of_no_cells_spoils_nothing_else(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    good = publish_run(results, tiny, "good")
    publish_run(results, tiny, "rubbish", raw=b"this is no HDF5")
    publish_run(results, tiny, "foreign", cells=[f"other{n}" for n in range(120)])
    publish_run(results, tiny, "short", points=noise(3), cells=["a", "b", "c"])
    (outcome,) = evaluate(results, ScriptedEngine())
    assert outcome.scored == 4
    import h5py

    with h5py.File(results.embeddings("tiny")) as file:
        assert {name for name in file["obsm"] if "umap" not in name} == {"X_good"}
    assert good.record.run_id in scores(results).members


def test_a_copy_of_a_run_is_not_scored_twice(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    copy = run.folder.with_name("a copy")
    shutil.copytree(run.folder, copy)
    engine, said = ScriptedEngine(), list[str]()
    (outcome,) = evaluate(results, engine, said)
    assert (outcome.scored, outcome.problem) == (1, "")
    assert engine.starts[0].request.runs == (run.record.run_id,)
    assert [line for line in said if str(copy) in line], said


def test_a_folder_that_was_renamed_says_so(results: ResultsFolder, tiny: RegisteredDataset) -> None:
    publish_run(results, tiny)
    (results.folder / "tiny").rename(results.folder / "other")
    with pytest.raises(ResultsError, match="by its record it is tiny/pca/"):
        evaluate(results, ScriptedEngine())


@pytest.mark.parametrize("name", ["../../../evil", "a/b", "..", ""])
@pytest.mark.parametrize("field", ["run_id", "dataset"])
def test_a_record_that_names_other_places_reaches_none(
    results: ResultsFolder, tiny: RegisteredDataset, field: str, name: str
) -> None:
    run = publish_run(results, tiny)
    record = run.record.model_copy(update={field: name})
    write_atomic(run.folder / "run.json", record.to_json())
    before = files_below(results.folder.parent)
    with pytest.raises(ResultsError):
        evaluate(results, ScriptedEngine())
    assert files_below(results.folder.parent) == before


def test_what_cannot_be_written_fails_its_dataset_alone(
    results: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    for slug in ("one", "two"):
        publish_run(results, register(home, slug))
    results.scores("one").mkdir()
    first, second = evaluate(results, ScriptedEngine())
    assert first.problem.startswith("one: ")
    assert "scores.json" in first.problem
    assert (second.scored, second.problem) == (1, "")


def test_what_has_no_layout_is_not_asked_for_again(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    publish_run(results, tiny)
    engine = ScriptedEngine((without_layouts,))
    evaluate(results, engine)
    evaluate(results, engine)
    assert len(engine.starts) == 1


def test_an_evaluator_that_is_killed_loses_one_score(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    engine = ScriptedEngine((ends_at("second_bio", KILLED), everything))
    (outcome,) = evaluate(results, engine)
    assert len(engine.starts) == 2
    assert "1 score was lost" in outcome.problem
    lost = scores(results).members[run.record.run_id].scores
    assert lost["second_bio"].reason is Reason.EVALUATOR_FAILED
    assert "was ended (killed) while it computed this" in lost["second_bio"].detail
    assert lost["first_bio"].value == lost["mixing"].value == 0.5
    assert "killed" in scores(results).records[0].message
    # What was there already is not computed twice, and what was lost is tried the next time.
    assert "first_bio" not in engine.starts[1].request.only[run.record.run_id]
    (outcome,) = evaluate(results, engine)
    assert outcome.problem == ""
    assert scores(results).members[run.record.run_id].scores["second_bio"].value == 0.5


def test_memory_that_ran_out_is_doubled_once(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    engine, said = ScriptedEngine((ends_at("mixing", NO_MEMORY), everything)), list[str]()
    (outcome,) = evaluate(results, engine, said)
    assert outcome.problem == ""
    first, second = (start.execution.memory for start in engine.starts)
    assert second == 2 * first
    assert any("ran out of 8.0 GiB of memory; again with 16.0 GiB" in line for line in said)
    assert scores(results).members[run.record.run_id].scores["mixing"].value == 0.5


def test_without_more_memory_what_needs_it_is_lost_and_the_rest_is_scored(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    engine = ScriptedEngine((ends_at("mixing", NO_MEMORY),))
    (outcome,) = evaluate(results, engine, machine=Machine(memory=GIB))
    assert {start.execution.memory for start in engine.starts} == {GIB}
    assert "1 score was lost" in outcome.problem
    found = scores(results).members[run.record.run_id].scores
    assert found["mixing"].reason is Reason.EVALUATOR_FAILED
    assert "ran out of memory (1.0 GiB)" in found["mixing"].detail
    assert {name for name, score in found.items() if score.value is None} == {
        "mixing", "seed_stability",
    }  # fmt: skip


def test_a_process_that_was_killed_for_its_memory_is_given_more(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    engine = ScriptedEngine((loses("mixing"),))
    (outcome,) = evaluate(results, engine)
    assert outcome.problem == ""
    assert dict(engine.starts[1].request.only) == {run.record.run_id: ("mixing",)}
    assert scores(results).members[run.record.run_id].total.value == pytest.approx(0.5)


def test_where_there_is_no_more_memory_the_reason_stays(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    engine = ScriptedEngine((loses("mixing"),), memory=6 * GIB)
    (outcome,) = evaluate(results, engine)
    assert "1 score was lost" in outcome.problem
    assert len(engine.starts) == 1
    found = scores(results)
    score = found.members[run.record.run_id].scores["mixing"]
    assert "memory ran out (5.4 GiB)" in score.detail
    assert "memory ran out (5.4 GiB)" in found.records[0].message


def test_an_evaluator_that_gets_nowhere_is_given_up(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    publish_run(results, tiny)
    engine = ScriptedEngine((the_sheet_only,))
    (outcome,) = evaluate(results, engine)
    assert len(engine.starts) == 1
    assert f"{3 * len(METRICS)} scores were lost: the evaluator was ended" in outcome.problem
    found = scores(results)
    for member in (*found.members.values(), *found.controls.values()):
        assert {score.reason for score in member.scores.values()} == {Reason.EVALUATOR_FAILED}
    assert evaluate(results, ScriptedEngine())[0].problem == ""


def test_an_evaluator_that_is_killed_after_every_score_is_started_until_all_are_there(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    slow = tuple(one_line_a_start for _ in range(3 * len(METRICS) - 1))
    engine = ScriptedEngine((*slow, everything))
    (outcome,) = evaluate(results, engine)
    assert outcome.problem == ""
    assert len(engine.starts) == 3 * len(METRICS)
    assert scores(results).members[run.record.run_id].total.value == pytest.approx(0.5)


def test_it_is_not_started_for_ever(results: ResultsFolder, tiny: RegisteredDataset) -> None:
    for model in "abcd":
        publish_run(results, tiny, model)
    engine = ScriptedEngine((one_line_a_start,))
    (outcome,) = evaluate(results, engine)
    assert len(engine.starts) == MAX_STARTS
    number = 6 * len(METRICS) - MAX_STARTS
    assert f"{number} scores were lost" in outcome.problem
    assert any(
        f"ended {MAX_STARTS} times" in score.detail
        for member in scores(results).members.values()
        for score in member.scores.values()
    )


def test_a_metric_that_is_too_large_for_two_is_not_tried_for_all(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    runs = [publish_run(results, tiny, model).record.run_id for model in "abcd"]
    engine = ScriptedEngine((ends_at("mixing", NO_MEMORY),), memory=6 * GIB)
    (outcome,) = evaluate(results, engine)
    assert len(engine.starts) == 3
    assert "4 scores were lost: the evaluator ran out of memory" in outcome.problem
    assert "with more memory (--memory)" in outcome.problem
    for run_id in runs:
        found = scores(results).members[run_id].scores
        assert "ran out of memory" in found["mixing"].detail
        assert (found["first_bio"].value, found["kept"].value) == (0.5, 0.5)


def test_an_evaluator_that_says_nothing_fails_its_dataset_and_no_other(
    results: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    for slug in ("one", "two"):
        publish_run(results, register(home, slug))
    outcomes = evaluate(results, ScriptedEngine((says_nothing(KILLED), everything)))
    assert "before its first score" in outcomes[0].problem
    assert str(results.evaluation_log("one")) in outcomes[0].problem
    assert (outcomes[1].scored, outcomes[1].problem) == (1, "")
    assert not results.scores("one").exists()
    assert not at_work(results)


def test_an_evaluator_that_hangs_is_stopped_at_its_limit(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    engine = ScriptedEngine((hangs_at("mixing"),))
    (outcome,) = evaluate(results, engine, time_limit=1)
    assert engine.running[0].stopped
    assert len(engine.starts) == 1, "it would hang again"
    assert "3 scores were lost: the evaluator was stopped at its time limit of 1.0s" in (
        outcome.problem
    )
    assert "Evaluate again with more time (--time-limit)" in outcome.problem
    found = scores(results).members[run.record.run_id].scores
    assert (found["first_bio"].value, found["second_bio"].value) == (0.5, 0.5)
    assert found["mixing"].reason is Reason.EVALUATOR_FAILED
    assert "stopped at its time limit of 1.0s" in found["mixing"].detail
    assert scores(results).records[0].message == "it was stopped at its time limit of 1.0s"
    assert not at_work(results)
    again = ScriptedEngine()
    assert evaluate(results, again)[0].problem == ""
    assert scores(results).members[run.record.run_id].scores["mixing"].value == 0.5


def test_an_evaluator_that_hangs_before_its_first_score_names_the_limit_and_what_to_do(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    publish_run(results, tiny)
    (outcome,) = evaluate(results, ScriptedEngine((lambda _start: None,)), time_limit=1)
    assert "was stopped at its time limit of 1.0s before its first score" in outcome.problem
    assert "multiverse evaluate --time-limit" in outcome.problem
    assert not at_work(results)


def test_an_evaluator_that_floods_its_output_is_stopped(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    publish_run(results, tiny)
    engine = ScriptedEngine((floods,))
    (outcome,) = evaluate(results, engine)
    assert engine.running[0].stopped
    assert len(engine.starts) == 1
    assert "stopped because its output holds more than 10,000 files" in outcome.problem
    assert not at_work(results)
    assert engine.starts[0].execution.max_file_bytes == MAX_FILE_BYTES


def _not_a_line(start: Start) -> object:
    start.files.scores.write_text("this is no line of scores\n")
    return KILLED


def test_lines_of_another_kind_fail_the_dataset_clearly(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    publish_run(results, tiny)
    script: Script = _not_a_line  # type: ignore[assignment]
    (outcome,) = evaluate(results, ScriptedEngine((script,)))
    assert "no line of scores" in outcome.problem


def test_a_killed_evaluation_leaves_nothing_to_the_next(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    publish_run(results, tiny)
    left = results.evaluations / "tiny-abandoned" / "0" / "output"
    left.mkdir(parents=True)
    (left / "scores.jsonl").write_text("half a li")
    engine = ScriptedEngine()
    (outcome,) = evaluate(results, engine)
    assert outcome.problem == ""
    assert engine.swept == [{"multiverse.evaluation": str(results.folder.resolve())}]
    assert not at_work(results)


def test_a_signal_stops_the_evaluator_and_keeps_what_is_done(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    publish_run(results, tiny)
    cancelled = threading.Event()
    cancelled.set()
    engine = ScriptedEngine(hangs=True)
    with pytest.raises(Cancelled):
        evaluate_results(
            Results.open(results), engine, ScoringOptions(), tell=silent, cancelled=cancelled
        )
    assert not engine.starts or (engine.running[0].stopped and engine.running[0].removed)
    assert not at_work(results)
    assert evaluate(results, ScriptedEngine())[0].problem == ""


def test_the_second_evaluation_waits_and_can_be_stopped_while_it_waits(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    publish_run(results, tiny)
    inside, release = threading.Event(), threading.Event()

    def slow(start: Start) -> object:
        inside.set()
        assert release.wait(60)
        return everything(start)

    first = ScriptedEngine((slow,))  # type: ignore[arg-type]
    thread = threading.Thread(target=evaluate, args=(results, first))
    thread.start()
    assert inside.wait(60)
    cancelled, said, second = threading.Event(), list[str](), ScriptedEngine()
    cancelled.set()
    try:
        with pytest.raises(Cancelled):
            evaluate_results(
                Results.open(results),
                second,
                ScoringOptions(),
                tell=notes_into(said),
                cancelled=cancelled,
            )
    finally:
        release.set()
        thread.join()
    assert any("another process evaluates this folder" in line for line in said)
    assert not second.starts
    (outcome,) = evaluate(results, second)
    assert (outcome.scored, outcome.known) == (0, 1)
