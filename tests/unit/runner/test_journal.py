"""What a runner leaves on disk for another terminal."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from multiverse.runner import journal as module
from multiverse.runner.events import Broadcast, Epoch, SilentListener, Start, Task
from multiverse.runner.journal import Journal
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.live import LiveFile, PlanFile
from multiverse.runs.record import Usage
from multiverse.runs.run import Run
from tests.unit.runs.test_publish_and_list import record

TASK = Task("a" * 16, "pbmc/pca seed 0", "pbmc", "pca", 0, 12.5)
USAGE = Usage(wall_seconds=3, peak_memory_bytes=512)


def begun(results: ResultsFolder, journal: Journal) -> AttemptFolder:
    attempt = results.new_attempt(TASK.run_id)
    journal.started(TASK, Start(attempt.number, 1.5, 1024, gpu="0"))
    return attempt


def test_the_plan_is_written_once_with_every_job(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    Journal(results).planned([TASK, Task("b" * 16, "pbmc/pca seed 1", "pbmc", "pca", 1)])
    plan = PlanFile.read(results.plan)
    assert plan.pid == os.getpid()
    assert [job.run_id[0] for job in plan.jobs] == ["a", "b"]
    assert [job.expected_seconds for job in plan.jobs] == [12.5, None]
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_running_attempt_tells_what_it_uses(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    journal = Journal(results)
    attempt = begun(results, journal)
    journal.progress(TASK, USAGE, Epoch(3, 10, {"loss": 0.5}))
    live = LiveFile.read(attempt.live)
    assert (live.cpus, live.memory, live.gpu, live.usage) == (1.5, 1024, "0", USAGE)
    assert live.epoch is not None
    assert (live.epoch.number, live.epoch.total, live.epoch.values) == (3, 10, {"loss": 0.5})
    assert {path.name for path in attempt.folder.iterdir()} == {"output", "live.json"}


def test_it_is_written_now_and_then_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = ResultsFolder(tmp_path)
    journal = Journal(results)
    attempt = begun(results, journal)
    journal.progress(TASK, USAGE, None)
    attempt.live.unlink()
    monkeypatch.setattr(module, "LIVE_SECONDS", 1e6)
    journal.progress(TASK, USAGE, None)
    assert not attempt.live.exists()
    monkeypatch.setattr(module, "LIVE_SECONDS", 0)
    journal.progress(TASK, USAGE, None)
    assert attempt.live.exists()


def test_nothing_is_written_of_an_attempt_that_has_ended(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    journal = Journal(results)
    run = Run(record(), tmp_path)
    attempt = begun(results, journal)
    journal.finished(TASK, run)
    journal.progress(TASK, USAGE, None)
    assert not attempt.live.exists()
    attempt = begun(results, journal)
    journal.retried(TASK, run, "again")
    journal.progress(TASK, USAGE, None)
    assert not attempt.live.exists()


def test_a_folder_that_is_gone_disturbs_nothing(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path / "results")
    journal = Journal(results)
    journal.planned([TASK])
    begun(results, journal)
    shutil.rmtree(results.folder)
    journal.progress(TASK, USAGE, None)
    assert not results.folder.exists()


class Remembering(SilentListener):
    """Keeps the names of what it was told, in order."""

    def __init__(self, told: list[tuple[int, str]], number: int) -> None:
        self._told, self._number = told, number

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattribute__(name)
        return lambda *facts: self._told.append((self._number, f"{name} {len(facts)}"))


def test_a_broadcast_tells_everybody_everything() -> None:
    told: list[tuple[int, str]] = []
    both = Broadcast(Remembering(told, 1), Remembering(told, 2))
    run = Run(record(), Path("x"))
    both.planned([TASK])
    both.queued(TASK, "new")
    both.reused(TASK, run)
    both.held(TASK, "process 1")
    both.started(TASK, Start(1, 1, 1))
    both.progress(TASK, USAGE, None)
    both.output(TASK, b"x")
    both.retried(TASK, run, "again")
    both.finished(TASK, run)
    both.noted("x")
    events = [name for name in vars(SilentListener) if not name.startswith("_")]
    assert [name.split()[0] for _, name in told] == [name for name in events for _ in (1, 2)]
    assert [number for number, _ in told] == [1, 2] * len(events)
