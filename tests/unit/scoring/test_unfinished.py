"""A command was killed while the evaluator was at work: the next one goes on, and mixes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.contract.job_spec import ImageReference
from multiverse.engines.protocol import Ending, Runtime
from multiverse.events import Tell
from multiverse.facts import Cause, Usage
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.run import Run
from multiverse.specs.model import ModelSpec
from tests.unit.scoring.made import make_data, noise, publish_run, register
from tests.unit.scoring.scripted import (
    CONTROLS,
    KILLED,
    METRICS,
    NO_MEMORY,
    Script,
    ScriptedEngine,
    Start,
    ends_at,
    everything,
    goes_on,
    hangs_at,
)
from tests.unit.scoring.test_evaluate import at_work, evaluate, scores

ALL = tuple(metric.name for metric in METRICS)


def leave(results: ResultsFolder, *scripts: Script, at: str = "mixing", **options: object) -> Start:
    """Make the folder what a command leaves that is killed while the evaluator is ``at`` a metric.

    ``scripts`` are played before that. Returns the start that it was killed in.
    """
    picture = results.folder.with_name("picture")

    def pictured(start: Start) -> Ending:
        ends_at(at, KILLED)(start)
        shutil.copytree(results.folder, picture)
        return KILLED

    engine = ScriptedEngine((*scripts, pictured, everything))
    evaluate(results, engine, None, **options)
    shutil.rmtree(results.folder)
    picture.rename(results.folder)
    return engine.starts[len(scripts)]


def assert_whole(results: ResultsFolder, *runs: Run) -> None:
    found = scores(results)
    assert set(found.members) == {run.record.run_id for run in runs}
    assert set(found.controls) == set(CONTROLS)
    for member in (*found.members.values(), *found.controls.values()):
        assert set(member.scores) == set(ALL)
    for member in found.members.values():
        assert member.total.value == pytest.approx(0.5)
    assert not at_work(results)


def test_what_still_runs_is_followed_to_its_end(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    runs = [publish_run(results, tiny, model) for model in ("pca", "mofa")]
    engine, said = ScriptedEngine(left=(leave(results), goes_on)), list[str]()
    (outcome,) = evaluate(results, engine, said)
    assert (outcome.scored, outcome.known, outcome.problem) == (2, 0, "")
    assert (len(engine.starts), engine.adopted) == (0, 1)
    assert engine.running[0].removed
    assert any("followed to its end" in line for line in said), said
    assert_whole(results, *runs)
    (record,) = scores(results).records
    assert record.message == ""
    assert set(record.members) == {*CONTROLS, *(run.record.run_id for run in runs)}
    evaluate(results, second := ScriptedEngine())
    assert not second.starts


@pytest.mark.parametrize("runs_on", [True, False], ids=["can't be taken over", "is gone"])
def test_of_what_has_ended_the_lines_are_used(
    results: ResultsFolder, tiny: RegisteredDataset, runs_on: bool
) -> None:
    runs = [publish_run(results, tiny, model) for model in ("mofa", "pca")]
    left = leave(results)
    engine = ScriptedEngine(left=(left, goes_on) if runs_on else None, adopts=False)
    with (left.files.scores).open("a") as stream:
        stream.write('{"kind":"score","member":"half a li')
    said = list[str]()
    (outcome,) = evaluate(results, engine, said)
    assert (outcome.scored, outcome.problem, engine.adopted) == (2, "", 0)
    assert engine.swept == [{"multiverse.evaluation": str(results.folder.resolve())}]
    (start,) = engine.starts
    first, second = (run.record.run_id for run in runs)
    assert start.request.only == {first: ("mixing", "kept", "seed_stability"), second: ALL}
    assert start.request.controls == ()
    assert any("had computed is used" in line for line in said), said
    assert_whole(results, *runs)
    messages = [record.message for record in scores(results).records]
    assert messages == ["it was killed together with its command", ""]


def test_killed_again_and_again_it_computes_nothing_twice(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    for metric in ("second_bio", "mixing", "kept"):
        leave(results, at=metric)
        starts = list(results.evaluations.glob("*/*/started.json"))
    assert len(starts) == 3
    engine = ScriptedEngine()
    evaluate(results, engine)
    (start,) = engine.starts
    assert start.request.only == {run.record.run_id: ("kept", "seed_stability")}
    assert_whole(results, run)


def test_starts_of_the_killed_command_that_had_ended_count_too(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    left = leave(results, ends_at("second_bio", KILLED), at="kept")
    engine = ScriptedEngine(left=(left, goes_on))
    (outcome,) = evaluate(results, engine)
    assert engine.adopted == 1
    lost = scores(results).members[run.record.run_id].scores["second_bio"]
    assert (lost.value, "while it computed this" in lost.detail) == (None, True)
    assert "1 score was lost" in outcome.problem
    assert not engine.starts
    messages = [record.message for record in scores(results).records]
    assert ["killed" in message for message in messages] == [True, False]


def test_a_run_that_was_added_is_scored_after_it(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    first = publish_run(results, tiny, "pca")
    left = leave(results)
    second = publish_run(results, tiny, "mofa")
    engine = ScriptedEngine(left=(left, goes_on))
    (outcome,) = evaluate(results, engine)
    assert (outcome.scored, outcome.problem, engine.adopted) == (2, "", 1)
    (start,) = engine.starts
    assert start.request.only == {second.record.run_id: ALL}
    assert_whole(results, first, second)


def _other_image(engine: ScriptedEngine) -> ScriptedEngine:
    class Other(ScriptedEngine):
        def prepare(self, model: ModelSpec, *, build: bool, tell: Tell) -> Runtime:
            digest = "sha256:" + "f" * 64
            return Runtime(model=model, image=ImageReference(tag=model.image_tag, digest=digest))

    return Other(left=engine.left)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {"settings": EvaluationSettings(lisi_neighbours=30)}),
        ({"settings": EvaluationSettings(seed=1)}, {"settings": EvaluationSettings()}),
        ({}, {"again": True}),
    ],
    ids=["other settings", "another seed", "everything again"],
)
def test_another_question_is_asked_anew(
    results: ResultsFolder,
    tiny: RegisteredDataset,
    before: dict[str, Any],
    now: dict[str, Any],
) -> None:
    run = publish_run(results, tiny)
    left = leave(results, **before)
    engine = ScriptedEngine(left=(left, goes_on))
    evaluate(results, engine, None, **now)
    assert engine.adopted == 0
    assert engine.swept == [left.execution.labels], "nobody wants it"
    (start,) = engine.starts
    assert (start.request.controls, dict(start.request.only)) == (None, {})
    assert_whole(results, run)


def test_another_image_is_asked_anew(results: ResultsFolder, tiny: RegisteredDataset) -> None:
    run = publish_run(results, tiny)
    engine = _other_image(ScriptedEngine(left=(leave(results), goes_on)))
    evaluate(results, engine)
    assert engine.adopted == 0
    assert engine.starts[0].request.controls is None
    assert_whole(results, run)


def test_everything_again_goes_on_after_everything_again(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    evaluate(results, ScriptedEngine())
    engine = ScriptedEngine(left=(leave(results, again=True), goes_on))
    evaluate(results, engine, again=True)
    assert (engine.adopted, engine.starts) == (1, [])
    assert_whole(results, run)


def test_other_labels_of_the_same_data_are_asked_anew(
    results: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    run = publish_run(results, register(home))
    left = leave(results)
    labels = [f"other-{number % 4}" for number in range(120)]
    register(home, data=make_data(cell_type=labels), replace=True)
    engine = ScriptedEngine(left=(left, goes_on))
    evaluate(results, engine)
    assert engine.adopted == 0
    assert engine.starts[0].request.controls is None
    assert_whole(results, run)


@pytest.mark.parametrize("adopts", [True, False])
def test_a_run_that_was_made_again_gets_scores_of_its_own(
    results: ResultsFolder, tiny: RegisteredDataset, adopts: bool
) -> None:
    kept, replaced = (publish_run(results, tiny, model) for model in ("pca", "mofa"))
    left = leave(results, at="seed_stability")
    shutil.rmtree(replaced.folder)
    made_again = publish_run(results, tiny, "mofa", points=noise(120, seed=5))
    assert made_again.record.run_id == replaced.record.run_id
    assert made_again.record.checksums != replaced.record.checksums
    engine = ScriptedEngine(left=(left, goes_on), adopts=adopts)
    evaluate(results, engine)
    (start,) = engine.starts
    assert start.request.only[made_again.record.run_id] == ALL
    assert start.request.only.get(kept.record.run_id) == (None if adopts else ALL)
    assert start.request.controls == ()
    assert_whole(results, kept, made_again)
    member = scores(results).members[made_again.record.run_id]
    assert member.checksum == made_again.record.checksums["embeddings.h5"]


def test_stability_is_of_the_seeds_that_are_there_now(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    first = publish_run(results, tiny, seed=0)
    left = leave(results, at="kept")
    second = publish_run(results, tiny, seed=1)
    engine = ScriptedEngine(left=(left, goes_on))
    evaluate(results, engine)
    (start,) = engine.starts
    assert start.request.only[first.record.run_id] == ("seed_stability",)
    stability = scores(results).members[first.record.run_id].scores["seed_stability"]
    assert set(stability.parts) == {second.record.run_id}


def test_a_dataset_that_nobody_asks_for_keeps_its_lines(
    results: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    for slug in ("one", "two"):
        publish_run(results, register(home, slug))
    left = leave(results, datasets=("one",))
    engine = ScriptedEngine(left=(left, goes_on))
    evaluate(results, engine, datasets=("two",))
    assert engine.adopted == 0
    assert engine.swept == [left.execution.labels], "nobody watches it"
    later = ScriptedEngine()
    evaluate(results, later)
    (first,) = later.starts
    assert first.request.dataset == "one"
    assert first.request.only == {left.request.runs[0]: ("mixing", "kept", "seed_stability")}
    assert not at_work(results)


def test_it_ends_at_the_limit_that_it_had(results: ResultsFolder, tiny: RegisteredDataset) -> None:
    publish_run(results, tiny)
    left = leave(results, time_limit=1)
    engine = ScriptedEngine(left=(left, hangs_at("mixing")))
    (outcome,) = evaluate(results, engine)
    assert engine.running[0].stopped
    assert not engine.starts
    assert "stopped at its time limit of 1.0s" in outcome.problem
    assert not at_work(results)


def test_when_it_runs_out_of_memory_it_is_started_with_more(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    left = leave(results)
    engine = ScriptedEngine(left=(left, lambda _start: NO_MEMORY))
    (outcome,) = evaluate(results, engine)
    assert outcome.problem == ""
    (start,) = engine.starts
    assert start.execution.memory == 2 * left.execution.memory
    assert start.request.only == {run.record.run_id: ("mixing", "kept", "seed_stability")}
    assert_whole(results, run)


def test_after_a_restart_of_the_machine_it_is_started_again(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    run = publish_run(results, tiny)
    lost = Ending(255, Cause.ENGINE_LOST, Usage())
    engine = ScriptedEngine(left=(leave(results), lambda _start: lost))
    (outcome,) = evaluate(results, engine)
    assert outcome.problem == "", "what it was at is not lost: it did not end it"
    (start,) = engine.starts
    assert start.request.only == {run.record.run_id: ("mixing", "kept", "seed_stability")}
    assert_whole(results, run)


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("{"),
        lambda path: path.unlink(),
        lambda path: path.write_text(path.read_text().replace('"request"', '"inquiry"')),
    ],
    ids=["damaged", "absent", "of another version"],
)
def test_what_does_not_say_what_it_is_is_removed(
    results: ResultsFolder, tiny: RegisteredDataset, damage: Damage
) -> None:
    run = publish_run(results, tiny)
    left = leave(results)
    (started,) = results.evaluations.glob("*/*/started.json")
    damage(started)
    engine = ScriptedEngine(left=(left, goes_on))
    evaluate(results, engine)
    assert engine.adopted == 0
    assert engine.starts[0].request.controls is None
    assert_whole(results, run)


def test_a_link_is_not_followed(
    results: ResultsFolder, tiny: RegisteredDataset, tmp_path: Path
) -> None:
    run = publish_run(results, tiny)
    leave(results)
    elsewhere = tmp_path / "elsewhere"
    (folder,) = results.evaluations.iterdir()
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    engine = ScriptedEngine()
    evaluate(results, engine)
    assert engine.starts[0].request.controls is None
    assert list(elsewhere.glob("*/started.json")), "not removed either"
    folder.unlink()
    assert_whole(results, run)
