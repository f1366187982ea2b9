"""What a results folder says of its jobs while a command works on it, and afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from multiverse.errors import ResultsError
from multiverse.events import AttemptStarted, Planned, Progressed
from multiverse.facts import Cause, EpochFacts, JobFacts, RunState, Usage
from multiverse.runner.journal import Journal
from multiverse.runs.clock import process_start
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.lock import RunLocks
from multiverse.runs.started import Started
from multiverse.runs.status import JobStatus, Standing, StatusReader, is_held
from multiverse.runs.writing import write_atomic
from tests.unit.runs.test_publish_and_list import kept, published, record

A, B, C = ("a" * 16, "b" * 16, "c" * 16)


def task(run_id: str, expected: float | None = None) -> JobFacts:
    return JobFacts(run_id, f"pbmc/pca job {run_id[0]}", "pbmc", "pca", 0, expected)


def begin(
    results: ResultsFolder, run_id: str, started_at: str = "2026-01-01T00:00:00+00:00"
) -> AttemptFolder:
    """An attempt as a runner begins it."""
    attempt = results.new_attempt(run_id)
    made = record(run_id, state=RunState.RUNNING, attempt=attempt.number, started_at=started_at)
    started = Started(record=made, data=Path("data.h5mu"), job_spec="{}")
    write_atomic(attempt.started, started.to_json())
    return attempt


def look(results: ResultsFolder) -> dict[str, JobStatus]:
    return {job.run_id: job for job in StatusReader(results).look().jobs}


def now(seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    return ResultsFolder(tmp_path)


@pytest.fixture
def locks(results: ResultsFolder) -> Iterator[RunLocks]:
    """Of a runner that lives, which is this process."""
    made = RunLocks(results)
    yield made
    made.release_all()


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait()
    return process.pid


def plan_of_another_process(results: ResultsFolder, tasks: list[JobFacts], pid: int) -> None:
    Journal(results)(Planned(tuple(tasks)))
    content = json.loads(results.plan.read_text())
    content.update(pid=pid, process=process_start(pid) or "")
    results.plan.write_text(json.dumps(content))


def test_a_running_job_tells_how_far_it_is(results: ResultsFolder, locks: RunLocks) -> None:
    journal = Journal(results)
    journal(
        Planned(
            (
                task(A, 100),
                task(B),
            )
        )
    )
    assert locks.acquire(A)
    began = now(-20)
    attempt = begin(results, A, began)
    journal(AttemptStarted(task(A).run_id, attempt.number, 1, 2048))
    usage = Usage(wall_seconds=19, peak_memory_bytes=1024)
    journal(Progressed(task(A).run_id, usage, EpochFacts(2, 4, {"loss": 1.0}, pace=9)))
    status = StatusReader(results).look()
    (running,) = status.of(Standing.RUNNING)
    (queued,) = status.of(Standing.QUEUED)
    assert running.name == "pbmc/pca job a"
    assert running.live is not None
    assert running.live.usage == usage
    assert running.elapsed is not None
    assert running.elapsed >= 19
    assert running.remaining == 18
    assert (queued.run_id, queued.expected) == (B, None)
    assert (status.working, status.over, status.notes) == (True, False, ())


def test_without_epochs_the_expectation_of_the_plan_counts(
    results: ResultsFolder, locks: RunLocks
) -> None:
    Journal(results)(Planned((task(A, 1000),)))
    assert locks.acquire(A)
    begin(results, A, now(-20))
    job = look(results)[A]
    assert job.live is None
    assert job.remaining is not None
    assert 900 < job.remaining <= 981


def test_an_attempt_of_a_killed_runner_is_interrupted(results: ResultsFolder) -> None:
    """A real process holds the lock and is killed with SIGKILL."""
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from multiverse.runs.folder import ResultsFolder\n"
        "from multiverse.runs.lock import RunLocks\n"
        f"assert RunLocks(ResultsFolder(Path({str(results.folder)!r}))).acquire({A!r})\n"
        "print('held', flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"held\n"
        plan_of_another_process(results, [task(A), task(B)], runner.pid)
        begin(results, A)
        standing = {run_id: job.standing for run_id, job in look(results).items()}
        assert standing == {A: Standing.RUNNING, B: Standing.QUEUED}
        runner.send_signal(signal.SIGKILL)
    status = StatusReader(results).look()
    assert {job.run_id: job.standing for job in status.jobs} == {
        A: Standing.INTERRUPTED,
        B: Standing.WAITING,
    }
    assert status.over
    assert results.run_lock(A).exists()


def test_after_a_run_every_job_has_its_end(results: ResultsFolder) -> None:
    published(results, record(A))
    kept(results, record(B, state=RunState.FAILED, cause=Cause.OUT_OF_MEMORY, message="too much"))
    kept(results, record(B, state=RunState.FAILED, cause=Cause.TIME_LIMIT, message="too long"))
    kept(results, record(C, state=RunState.NOT_APPLICABLE, changed={"k": 2}))
    plan_of_another_process(results, [task(run_id) for run_id in (A, B)], ended_process())
    status = StatusReader(results).look()
    jobs = {job.run_id: job for job in status.jobs}
    assert [jobs[run_id].standing for run_id in (A, B, C)] == [
        Standing.COMPLETE,
        Standing.FAILED,
        Standing.NOT_APPLICABLE,
    ]
    failed = jobs[B].record
    assert failed is not None
    assert (failed.attempt, failed.message) == (2, "too long")
    assert jobs[C].name == "pbmc/pca k=2 seed 0"
    assert (status.working, status.over) == (False, True)


def test_a_failure_that_will_be_repeated_is_queued(results: ResultsFolder, locks: RunLocks) -> None:
    old = {"state": RunState.FAILED, "cause": Cause.OUT_OF_MEMORY}
    kept(results, record(A, **old, finished_at=now(-60)))
    Journal(results)(
        Planned(
            (
                task(A),
                task(B),
                task(C),
            )
        )
    )
    kept(results, record(B, **old, finished_at=now(60)))
    kept(results, record(C, **old, finished_at=now(60)))
    assert locks.acquire(C)
    standing = {run_id: job.standing for run_id, job in look(results).items()}
    assert standing == {A: Standing.QUEUED, B: Standing.FAILED, C: Standing.QUEUED}


def test_a_complete_run_that_runs_again_is_running(results: ResultsFolder, locks: RunLocks) -> None:
    published(results, record(A, started_at="2026-01-01T00:00:00+00:00"))
    assert locks.acquire(A)
    attempt = begin(results, A, now())
    assert look(results)[A].standing is Standing.RUNNING
    attempt.started.unlink()
    assert look(results)[A].standing is Standing.COMPLETE


@pytest.mark.parametrize(
    "changed",
    [{"process": "of an earlier boot"}, {"process": "", "started_at": "2001-01-01T00:00:00+00:00"}],
    ids=["by its start", "by the wall clock, of an earlier version"],
)
def test_a_number_that_another_process_has_now_is_no_runner(
    results: ResultsFolder, changed: dict[str, str]
) -> None:
    Journal(results)(Planned((task(A),)))
    content = json.loads(results.plan.read_text())
    results.plan.write_text(json.dumps({**content, **changed}))
    status = StatusReader(results).look()
    assert (status.working, status.jobs[0].standing) == (False, Standing.WAITING)


def test_of_another_machine_nobody_knows(results: ResultsFolder) -> None:
    Journal(results)(Planned((task(A),)))
    text = results.plan.read_text().replace('"host":"', '"host":"another-')
    results.plan.write_text(text)
    status = StatusReader(results).look()
    assert (status.working, status.jobs[0].standing) == (None, Standing.QUEUED)
    assert status.over


@pytest.mark.parametrize("damage", ["", "{", "[]", "\0\xff", '{"pid": "x"}'])
def test_damage_is_noted_and_hides_nothing_else(
    results: ResultsFolder, locks: RunLocks, damage: str
) -> None:
    published(results, record(A))
    broken = results.run("pbmc", "pca", B)
    broken.folder.mkdir(parents=True)
    kept(results, record(C, state=RunState.FAILED))
    assert locks.acquire("d" * 16)
    running = begin(results, "d" * 16)
    lost = begin(results, "e" * 16)
    for path in (broken.record, running.live, lost.started, results.plan):
        path.write_text(damage, encoding="latin-1")
    (results.attempts / C / "1" / "run.json").write_text(damage, encoding="latin-1")
    status = StatusReader(results).look()
    assert {job.run_id[0]: job.standing for job in status.jobs} == {
        "a": Standing.COMPLETE,
        "d": Standing.RUNNING,
    }
    named = {note.partition(" is ")[0] for note in status.notes}
    assert named == {
        str(path)
        for path in (
            broken.record, lost.started, results.plan, results.attempts / C / "1" / "run.json"
        )
    }  # fmt: skip


def test_folders_in_the_place_of_files_are_no_trap(results: ResultsFolder) -> None:
    results.plan.mkdir(parents=True)
    attempt = results.new_attempt(A)
    attempt.started.mkdir()
    results.run_lock(A).mkdir()
    results.run("pbmc", "pca", B).record.mkdir(parents=True)
    os.mkfifo(results.run_lock(B))
    assert not is_held(results.run_lock(B))
    status = StatusReader(results).look()
    assert status.jobs == ()
    assert len(status.notes) == 3


def test_looking_leaves_no_trace(results: ResultsFolder, locks: RunLocks) -> None:
    published(results, record(A))
    begin(results, B)
    begin(results, C)
    results.run_lock(C).touch()
    before = sorted(results.folder.rglob("*"))
    StatusReader(results).look()
    assert sorted(results.folder.rglob("*")) == before
    assert locks.acquire(B)
    assert locks.acquire(C)


def test_what_was_read_is_not_read_again_unless_it_changes(results: ResultsFolder) -> None:
    kept(results, record(A, state=RunState.FAILED, message="first"))
    reader = StatusReader(results)
    (first,), (second,) = reader.look().jobs, reader.look().jobs
    assert first.record is second.record
    changed = record(A, state=RunState.FAILED, message="another")
    write_atomic(results.attempts / A / "1" / "run.json", changed.to_json())
    (third,) = reader.look().jobs
    assert third.record is not None
    assert third.record.message == "another"


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="not a results folder"):
        StatusReader(ResultsFolder(tmp_path / "absent")).look()
