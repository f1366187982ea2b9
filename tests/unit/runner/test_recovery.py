"""What a killed runner left is put in order, whatever the moment was at which it was killed."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import pytest

from multiverse.contract.paths import RECORD_FILE
from multiverse.engines.local import LocalEngine
from multiverse.events import silent
from multiverse.facts import Cause, RunState
from multiverse.runner.attempt import Attempts
from multiverse.runner.recovery import Recovery
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.lock import RunLocks, prepare_folder
from multiverse.runs.record import RunRecord
from multiverse.runs.started import Ended, Started
from multiverse.runs.writing import write_atomic
from tests.told import notes_into
from tests.unit.plan.test_expand import dataset
from tests.unit.runs.test_publish_and_list import published, record

RUN_ID = "a" * 16


@dataclass
class Left:
    """A results folder as a killed runner left it, and the recovery of the next one."""

    results: ResultsFolder
    said: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, folder: Path) -> Left:
        results = ResultsFolder(folder / "results")
        prepare_folder(results)
        return cls(results)

    def begin(self, started_at: str = "2026-01-01T00:00:00+00:00") -> AttemptFolder:
        """An attempt that began, and whose runner was killed."""
        attempt = self.results.new_attempt(RUN_ID)
        begun = record(state=RunState.RUNNING, attempt=attempt.number, started_at=started_at)
        started = Started(record=begun, data=self.results.folder / "data.h5mu", job_spec="{}")
        write_atomic(attempt.started, started.to_json())
        return attempt

    def recover(self) -> None:
        locks, cancelled = RunLocks(self.results), threading.Event()
        engine = LocalEngine()
        attempts = Attempts(engine, self.results, silent, cancelled)
        Recovery(engine, attempts, self.results, locks, cancelled, notes_into(self.said)).recover(
            ()
        )
        assert not locks.held()


def test_what_was_being_written_aside_goes(tmp_path: Path) -> None:
    left = Left.make(tmp_path)
    attempt = left.begin()
    for name in (
        ".run.json.x1y2z3a4",
        ".live.json.0123456789abcdef.json",
        ".started.json.abcdefgh.json",
    ):
        (attempt.folder / name).write_text("{")
    (attempt.output.folder / ".job_spec.json.x1y2z3a4").write_text("{")
    (attempt.output.folder / ".job_spec.json.folder").mkdir()
    (attempt.output.folder / ".mine").write_text("the model's own")
    left.recover()
    assert RunRecord.read(attempt.record).cause is Cause.INTERRUPTED
    assert sorted(path.name for path in attempt.folder.iterdir()) == ["output", "run.json"]
    kept = sorted(path.name for path in attempt.output.folder.iterdir())
    assert kept == [".job_spec.json.folder", ".mine"]


def test_an_attempt_that_was_just_recorded_is_tidied_up(tmp_path: Path) -> None:
    left = Left.make(tmp_path)
    attempt = left.begin()
    failed = record(state=RunState.FAILED, cause=Cause.MODEL_ERROR)
    write_atomic(attempt.record, failed.to_json())
    attempt.live.write_text("{}")
    left.results.run_lock(RUN_ID).touch()
    left.recover()
    assert RunRecord.read(attempt.record) == failed
    assert sorted(path.name for path in attempt.folder.iterdir()) == ["output", "run.json"]
    assert not list(left.results.attempts.glob("*.lock"))


def test_an_attempt_that_was_just_published_is_discarded(tmp_path: Path) -> None:
    left = Left.make(tmp_path)
    final = published(left.results, record())
    left.begin(final.started_at)
    left.recover()
    assert not left.said
    assert not list(left.results.attempts.iterdir())


def test_a_run_that_was_being_run_again_keeps_its_attempt(tmp_path: Path) -> None:
    """It has the number of the attempt that was published before, and is another one."""
    left = Left.make(tmp_path)
    final = published(left.results, record())
    attempt = left.begin("2026-01-02T00:00:00+00:00")
    assert attempt.number == final.attempt
    left.recover()
    assert RunRecord.read(attempt.record).cause is Cause.INTERRUPTED
    run = left.results.run(final.dataset, final.model, RUN_ID)
    assert RunRecord.read(run.record) == final


def test_what_had_begun_nothing_leaves_nothing(tmp_path: Path) -> None:
    left = Left.make(tmp_path)
    left.results.new_attempt(RUN_ID)
    left.results.run_lock(RUN_ID).touch()
    left.recover()
    assert not left.said
    assert not list(left.results.attempts.iterdir())


def point_to(path: Path, private: Path) -> None:
    """Write a dataset whose cells are those of another file."""
    with h5py.File(path, "w") as file:
        file["obs"] = h5py.ExternalLink(str(private), "/obs")


@pytest.mark.parametrize("attack", ["record of nothing", "itself", "link in the file", "link"])
def test_the_data_that_a_stranger_names_for_an_attempt_that_ended(
    tmp_path: Path, attack: str
) -> None:
    """A FIFO stands for somebody's file: whoever opened it would wait without end."""
    private, data = tmp_path / "private", tmp_path / "data.h5mu"
    os.mkfifo(private)
    left = Left.make(tmp_path)
    attempt = left.results.new_attempt(RUN_ID)
    begun = record(state=RunState.RUNNING, attempt=attempt.number)
    write_atomic(attempt.started, Started(record=begun, data=data, job_spec="{}").to_json())
    write_atomic(attempt.ended, Ended(exit_code=0, usage=begun.usage).to_json())
    if attack == "record of nothing":
        private.rename(data)
    else:
        known = dataset().model_copy(update={"fingerprint": begun.dataset_fingerprint})
        data.with_name(RECORD_FILE).write_text(known.model_dump_json())
    if attack == "itself":
        private.rename(data)
    elif attack == "link in the file":
        point_to(data, private)
    elif attack == "link":
        data.symlink_to(private)
    left.recover()
    (said,) = left.said
    assert "left as it is: its dataset" in said
    assert attempt.ended.is_file()
