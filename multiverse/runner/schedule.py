"""Runs prepared jobs, some at a time, and reuses what is complete."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from multiverse.errors import MultiverseError
from multiverse.runner.attempt import Attempts, PreparedJob
from multiverse.runner.events import Listener
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.listing import FoundRun, earlier_runs, last_attempt
from multiverse.runs.publish import is_intact
from multiverse.runs.record import RunRecord, RunState


@dataclass
class Outcome:
    """What became of a plan."""

    runs: list[FoundRun] = field(default_factory=list)
    not_started: int = 0
    cancelled: bool = False
    error: BaseException | None = None

    def count(self, state: RunState) -> int:
        """How many jobs ended that way."""
        return sum(run.record.state is state for run in self.runs)


class Schedule:
    """A queue of jobs and the threads that work on it."""

    def __init__(
        self,
        attempts: Attempts,
        results: ResultsFolder,
        listener: Listener,
        cancelled: threading.Event,
    ) -> None:
        self._attempts = attempts
        self._results = results
        self._listener = listener
        self._cancelled = cancelled
        self._queue: queue.SimpleQueue[PreparedJob] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._outcome = Outcome()
        self._threads: list[threading.Thread] = []
        self._identities: dict[tuple[str, str], list[Mapping[str, Any]]] = {}

    def run(self, jobs: Sequence[PreparedJob], parallel: int, *, rerun: bool = False) -> Outcome:
        """Run every job that is not complete yet, ``parallel`` at a time.

        One failed job never stops the others; a full disk or a second Ctrl-C stops the queue.
        """
        waiting = [job for job in jobs if rerun or not self._reuse(job)]
        for job in waiting:
            self._listener.queued(job.task, self.reason(job))
            self._queue.put(job)
        self._threads = [
            threading.Thread(target=self._work, name=f"runner-{number}", daemon=True)
            for number in range(min(parallel, len(waiting)))
        ]
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            while thread.is_alive():  # a plain join would keep signals waiting
                thread.join(0.2)
        self._outcome.not_started = self._queue.qsize()
        self._outcome.cancelled = self._cancelled.is_set()
        return self._outcome

    def wait(self, seconds: float) -> None:
        """Give jobs that are being stopped that long to end."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _reuse(self, prepared: PreparedJob) -> bool:
        """Whether nothing has to be done: complete, or known to be not applicable."""
        job = prepared.job
        run = self._results.run(job.dataset.slug, job.model.name, prepared.run_id)
        if is_intact(run):
            self._keep(prepared, FoundRun(RunRecord.read(run.record), run.folder))
            return True
        attempt = last_attempt(self._results, prepared.run_id)
        if attempt is not None:
            record = RunRecord.read(attempt.record)
            if record.state is RunState.NOT_APPLICABLE:
                self._keep(prepared, FoundRun(record, attempt.folder))
                return True
        return False

    def _keep(self, prepared: PreparedJob, run: FoundRun) -> None:
        self._outcome.runs.append(run)
        self._listener.reused(prepared.task, run)

    def reason(self, prepared: PreparedJob) -> str:
        """Why a job has to run: what changed, or how the last attempt ended."""
        attempt = last_attempt(self._results, prepared.run_id)
        if attempt is not None:
            record = RunRecord.read(attempt.record)
            return f"attempt {record.attempt} {record.state}: {record.cause or 'unknown cause'}"
        earlier = self._earlier(prepared.job.dataset.slug, prepared.job.model.name)
        changes = [prepared.identity.differences(identity) for identity in earlier]
        nearest = min(changes, key=lambda found: len(found), default=[])
        return "; ".join(nearest) or "new"

    def _earlier(self, dataset: str, model: str) -> list[Mapping[str, Any]]:
        """Identities of the model's published runs; read once, there may be thousands."""
        key = (dataset, model)
        if key not in self._identities:
            runs = earlier_runs(self._results, dataset, model)
            self._identities[key] = [RunRecord.read_identity(run.record) for run in runs]
        return self._identities[key]

    def _work(self) -> None:
        while not (self._cancelled.is_set() or self._stop.is_set()):
            try:
                prepared = self._queue.get_nowait()
            except queue.Empty:
                return
            try:
                run = self._attempts.make(prepared)
            except (MultiverseError, OSError) as error:
                self._fail(error)
                return
            except BaseException as error:  # handed to whoever asked for the outcome
                self._fail(error)
                return
            with self._lock:
                self._outcome.runs.append(run)
            self._listener.finished(prepared.task, run)

    def _fail(self, error: BaseException) -> None:
        """Something is wrong that no other job would escape: start nothing more."""
        self._stop.set()
        with self._lock:
            self._outcome.error = self._outcome.error or error
