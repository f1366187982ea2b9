"""The state of the jobs of a results folder, while a command works on it and afterwards.

Reads only: no engine is asked, and nothing is written.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import psutil

from multiverse.contract.files import open_regular
from multiverse.contract.folders import exists, kept_open
from multiverse.errors import ResultsError
from multiverse.facts import JobFacts, RunState
from multiverse.runs.clock import process_start
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.live import LiveFile, PlanFile
from multiverse.runs.lock import is_locked
from multiverse.runs.places import attempt_folders, published_runs
from multiverse.runs.record import RunRecord
from multiverse.runs.remaining import job_remaining
from multiverse.runs.run import RecordReader, Run, first_line, without_collection
from multiverse.runs.started import Started


class Standing(StrEnum):
    """The state of a job. ``waiting``: planned, but no command is at work on the plan any more."""

    RUNNING = "running"
    QUEUED = "queued"
    WAITING = "waiting"
    INTERRUPTED = "interrupted"
    COMPLETE = "complete"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class JobStatus:
    """One job. ``record`` is that of its newest attempt; none if there has been no attempt.

    ``elapsed`` and ``remaining`` are in seconds, of a running job.
    """

    run_id: str
    name: str
    standing: Standing
    record: RunRecord | None = None
    folder: Path | None = None
    live: LiveFile | None = None
    elapsed: float | None = None
    remaining: float | None = None
    expected: float | None = None


@dataclass(frozen=True)
class FolderStatus:
    """Every job of a folder. ``working``: a command is at work (None if nobody here can tell)."""

    folder: Path
    jobs: tuple[JobStatus, ...]
    plan: PlanFile | None
    working: bool | None
    notes: tuple[str, ...]

    def of(self, *standings: Standing) -> list[JobStatus]:
        return [job for job in self.jobs if job.standing in standings]

    @property
    def over(self) -> bool:
        """True if nothing more will happen by itself."""
        return not (self.working or self.of(Standing.RUNNING))


class StatusReader:
    """Reads a results folder again and again; what can't change is read once."""

    def __init__(self, results: ResultsFolder) -> None:
        self._results = results
        self._records = RecordReader()

    def look(self) -> FolderStatus:
        """Return the state of everything now; :class:`ResultsError` if there is no such folder."""
        self._results.check()
        with without_collection(), kept_open():
            return _Look(self._results, self._records).status()


class _Look:
    """One pass over the folder. Runs may be published while it lasts: those are read last."""

    def __init__(
        self,
        results: ResultsFolder,
        records: RecordReader,
    ) -> None:
        self._results = results
        self._records = records
        self._notes: list[str] = []
        self._plan = self._read_plan()
        self._working = None if self._plan is None else _is_working(self._plan)
        self._planned = {job.run_id: job for job in self._plan.jobs} if self._plan else {}

    def status(self) -> FolderStatus:
        newest = {run_id: self._job(run_id, items) for run_id, items in self._attempts().items()}
        jobs = {job.run_id: job for job in newest.values() if job is not None}
        for run in self._found(run.record for run in published_runs(self._results)):
            if not _runs_again(jobs.get(run.record.run_id), run):
                jobs[run.record.run_id] = self._ended(run, Standing.COMPLETE)
        for planned in self._planned.values():
            if planned.run_id not in jobs:
                jobs[planned.run_id] = self._queued(planned)
        working = True if self._working is None and _any_running(jobs) else self._working
        return FolderStatus(
            self._results.folder, tuple(jobs.values()), self._plan, working, tuple(self._notes)
        )

    def _attempts(self) -> dict[str, list[AttemptFolder]]:
        found: dict[str, list[AttemptFolder]] = {}
        for attempt in attempt_folders(self._results):
            found.setdefault(attempt.folder.parent.name, []).append(attempt)
        return found

    def _job(self, run_id: str, attempts: list[AttemptFolder]) -> JobStatus | None:
        """Return an unpublished run that has attempts, as its newest attempt tells it."""
        newest = attempts[-1]
        if exists(newest.started) and not exists(newest.record):
            return self._in_flight(newest)
        run = self._last_record(attempts)
        if run is None:
            return None
        planned = self._planned.get(run_id)
        if planned is not None and self._will_be_repeated(run):
            return self._queued(planned, run)
        return self._ended(run, Standing(run.record.state.value))

    def _last_record(self, attempts: list[AttemptFolder]) -> Run | None:
        records = [item.record for item in attempts if exists(item.record)]
        found = [
            run for run in self._found(iter(records)) if run.record.state is not RunState.RUNNING
        ]
        return found[-1] if found else None

    def _will_be_repeated(self, run: Run) -> bool:
        """Return whether this command repeats, or has yet to repeat, an earlier failure."""
        if run.record.state is RunState.NOT_APPLICABLE or self._plan is None or not self._working:
            return False
        return run.record.finished_at < self._plan.started_at or is_held(
            self._results.run_lock(run.record.run_id)
        )

    def _in_flight(self, attempt: AttemptFolder) -> JobStatus | None:
        try:
            started = Started.of(attempt)
        except ResultsError as error:
            if exists(attempt.started):
                self._notes.append(first_line(error))
            return None
        record = started.record
        held = is_held(self._results.run_lock(record.run_id))
        live = _live(attempt) if held else None
        planned = self._planned.get(record.run_id)
        expected = planned.expected_seconds if planned else None
        ago = None if started.moment is None else started.moment.ago()
        elapsed = _seconds_since(record.started_at) if ago is None else ago
        epoch = live.epoch if live else None
        return JobStatus(
            run_id=record.run_id,
            name=planned.name if planned else record.name,
            standing=Standing.RUNNING if held else Standing.INTERRUPTED,
            record=record,
            folder=attempt.folder,
            live=live,
            elapsed=elapsed if held else None,
            remaining=job_remaining(elapsed, epoch, expected) if held else None,
            expected=expected,
        )

    def _ended(self, run: Run, standing: Standing) -> JobStatus:
        planned = self._planned.get(run.record.run_id)
        name = planned.name if planned else run.record.name
        return JobStatus(run.record.run_id, name, standing, run.record, run.folder)

    def _queued(self, planned: JobFacts, run: Run | None = None) -> JobStatus:
        standing = Standing.WAITING if self._working is False else Standing.QUEUED
        return JobStatus(
            planned.run_id,
            planned.name,
            standing,
            run.record if run else None,
            run.folder if run else None,
            expected=planned.expected_seconds,
        )

    def _found(self, paths: Iterator[Path]) -> Iterator[Run]:
        """Yield the records that can be read; note each that can't."""
        yield from self._records.runs(paths, self._notes)

    def _read_plan(self) -> PlanFile | None:
        try:
            return PlanFile.read(self._results.plan)
        except FileNotFoundError:
            return None
        except ResultsError as error:
            self._notes.append(first_line(error))
            return None


def _runs_again(job: JobStatus | None, published: Run) -> bool:
    """Return whether an attempt is not the one that has been published in the meantime."""
    if job is None or job.record is None or job.standing is not Standing.RUNNING:
        return False
    return job.record.started_at != published.record.started_at


def _live(attempt: AttemptFolder) -> LiveFile | None:
    try:
        return LiveFile.read(attempt.live)
    except (FileNotFoundError, ResultsError):  # none yet: a convenience, nobody's record
        return None


def _seconds_since(moment: str) -> float:
    try:
        began = datetime.fromisoformat(moment)
    except ValueError:
        return 0.0
    began = began if began.tzinfo else began.replace(tzinfo=UTC)
    return max(0.0, (datetime.now(UTC) - began).total_seconds())


def _any_running(jobs: dict[str, JobStatus]) -> bool:
    return any(job.standing is Standing.RUNNING for job in jobs.values())


def _is_working(plan: PlanFile) -> bool | None:
    """Return whether the process that wrote a plan lives; None if it is another machine's.

    A process that began after the plan was written has only its number. Plans of earlier versions
    tell it by the wall clock.
    """
    if plan.host != platform.node():
        return None
    if plan.process:
        return process_start(plan.pid) == plan.process
    try:
        process = psutil.Process(plan.pid)
        began = datetime.fromtimestamp(process.create_time(), UTC)
        written = datetime.fromisoformat(plan.started_at)
    except (psutil.Error, ValueError, OverflowError):
        return False
    return process.is_running() and (began - written).total_seconds() < 2.0


def is_held(lock: Path) -> bool:
    """Return whether a living process holds the lock of a run. The file is never made."""
    try:
        descriptor = open_regular(lock)
    except OSError:
        return False
    try:
        return is_locked(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
