"""What a runner leaves on disk for another terminal."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from multiverse.events import (
    AttemptStarted,
    Event,
    Finished,
    Held,
    Noted,
    Planned,
    Printed,
    Progressed,
    Queued,
    Retried,
    Reused,
    Warned,
    everybody,
    guarded,
)
from multiverse.facts import EpochFacts, JobFacts, Usage
from multiverse.runner import journal as module
from multiverse.runner.journal import Journal
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.live import LiveFile, PlanFile
from multiverse.runs.run import Run
from tests.unit.runs.test_publish_and_list import record

TASK = JobFacts("a" * 16, "pbmc/pca seed 0", "pbmc", "pca", 0, 12.5)
USAGE = Usage(wall_seconds=3, peak_memory_bytes=512)


def begun(results: ResultsFolder, journal: Journal) -> AttemptFolder:
    attempt = results.new_attempt(TASK.run_id)
    journal(AttemptStarted(TASK.run_id, attempt.number, 1.5, 1024, gpu="0"))
    return attempt


def test_the_plan_is_written_once_with_every_job(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    Journal(results)(
        Planned(
            (
                TASK,
                JobFacts("b" * 16, "pbmc/pca seed 1", "pbmc", "pca", 1),
            )
        )
    )
    plan = PlanFile.read(results.plan)
    assert plan.pid == os.getpid()
    assert [job.run_id[0] for job in plan.jobs] == ["a", "b"]
    assert [job.expected_seconds for job in plan.jobs] == [12.5, None]
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_running_attempt_tells_what_it_uses(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    journal = Journal(results)
    attempt = begun(results, journal)
    journal(Progressed(TASK.run_id, USAGE, EpochFacts(3, 10, {"loss": 0.5})))
    live = LiveFile.read(attempt.live)
    assert (live.cpus, live.memory, live.gpu, live.usage) == (1.5, 1024, "0", USAGE)
    assert live.epoch is not None
    assert (live.epoch.number, live.epoch.total, live.epoch.values) == (3, 10, {"loss": 0.5})
    assert {path.name for path in attempt.folder.iterdir()} == {"output", "live.json"}


def test_it_is_written_now_and_then_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = ResultsFolder(tmp_path)
    journal = Journal(results)
    attempt = begun(results, journal)
    journal(Progressed(TASK.run_id, USAGE, None))
    attempt.live.unlink()
    monkeypatch.setattr(module, "LIVE_SECONDS", 1e6)
    journal(Progressed(TASK.run_id, USAGE, None))
    assert not attempt.live.exists()
    monkeypatch.setattr(module, "LIVE_SECONDS", 0)
    journal(Progressed(TASK.run_id, USAGE, None))
    assert attempt.live.exists()


def test_nothing_is_written_of_an_attempt_that_has_ended(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    journal = Journal(results)
    run = Run(record(), tmp_path)
    attempt = begun(results, journal)
    journal(Finished(TASK.run_id, run.record.facts(run.folder)))
    journal(Progressed(TASK.run_id, USAGE, None))
    assert not attempt.live.exists()
    attempt = begun(results, journal)
    journal(Retried(TASK.run_id, "again", run.record.facts(run.folder)))
    journal(Progressed(TASK.run_id, USAGE, None))
    assert not attempt.live.exists()


def test_a_folder_that_is_gone_disturbs_nothing(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path / "results")
    journal = Journal(results)
    journal(Planned((TASK,)))
    begun(results, journal)
    shutil.rmtree(results.folder)
    journal(Progressed(TASK.run_id, USAGE, None))
    assert not results.folder.exists()


def test_everybody_is_told_everything() -> None:
    told: list[tuple[int, Event]] = []
    both = everybody(
        lambda event: told.append((1, event)),
        lambda event: told.append((2, event)),
    )
    run = record().facts(Path("x"))
    events = [
        Planned((TASK,)),
        Queued(TASK.run_id, "new"),
        Reused(TASK.run_id, run),
        Held(TASK.run_id, "process 1"),
        AttemptStarted(TASK.run_id, 1, 1, 1),
        Progressed(TASK.run_id, USAGE, None),
        Printed(TASK.run_id, "x"),
        Retried(TASK.run_id, "again", run),
        Finished(TASK.run_id, run),
        Noted("x"),
        Warned("x"),
    ]
    for event in events:
        both(event)
    assert told == [(number, event) for event in events for number in (1, 2)]


@pytest.mark.parametrize("error", [ValueError("a mistake"), BrokenPipeError(), SystemExit(1)])
def test_what_goes_wrong_in_a_listener_reaches_nobody(error: BaseException) -> None:
    told: list[Event] = []

    def broken(event: Event) -> None:
        told.append(event)
        raise error

    event = Noted("x")
    everybody(guarded(broken), guarded(broken))(event)
    assert told == [event, event]


def test_an_interrupt_in_a_listener_is_one() -> None:
    def interrupted(_event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarded(interrupted)(Noted("x"))
