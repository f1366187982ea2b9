"""Runs a plan on an engine into a results folder: the whole of it, in one call."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from multiverse.engines.protocol import Capacity, Engine, Say
from multiverse.errors import EngineError, UsageError
from multiverse.forecast.forecast import Expectations
from multiverse.forecast.history import History
from multiverse.plan.job import Plan
from multiverse.runner.attempt import Attempts
from multiverse.runner.capacity import Machine, fit, usable
from multiverse.runner.events import Broadcast, GuardedListener, Listener
from multiverse.runner.journal import Journal
from multiverse.runner.prepare import prepare
from multiverse.runner.prepared import PreparedJob, owner_labels
from multiverse.runner.recovery import Recovery
from multiverse.runner.resume import Resume
from multiverse.runner.schedule import Bounds, RunContext, RunOutcome, Schedule
from multiverse.runner.signals import cancellation
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.lock import RunLocks, folder_lock, prepare_folder
from multiverse.runs.publish import remove_empty
from multiverse.runs.results import Results
from multiverse.runs.table import write_table
from multiverse.runs.writing import write_atomic
from multiverse.specs.quantity import parse_bytes

#: After a second Ctrl-C, jobs that are just being started get that long to be stopped.
UNWIND_SECONDS = 15.0
#: Nothing new is started when the disk of the results folder has less free.
MIN_FREE = parse_bytes("1GiB")


@dataclass(frozen=True)
class RunOptions:
    """How to run, as opposed to what.

    ``parallel``: at most that many jobs at a time (None: as many as the machine has room for).
    ``min_free``: bytes of disk below which nothing new is started. ``history``: the file with
    what past runs took, if there is one.
    """

    parallel: int | None = None
    machine: Machine = field(default_factory=Machine)
    build: bool = True
    rerun: bool = False
    only_failed: bool = False
    verbose: bool = False
    min_free: int = MIN_FREE
    tags: Mapping[str, str] = field(default_factory=dict)
    history: Path | None = None

    def check(self) -> None:
        """Raise :class:`UsageError` for what makes no sense."""
        if self.parallel is not None and self.parallel < 1:
            raise UsageError(f"--jobs must be at least 1, not {self.parallel}")
        if self.rerun and self.only_failed:
            raise UsageError("--rerun runs everything again, --only-failed only what failed")
        self.machine.check()


def execute(
    plan: Plan,
    data: Mapping[str, Path],
    engine: Engine,
    results: ResultsFolder,
    *,
    resolved: str,
    options: RunOptions,
    listener: Listener,
    say: Say,
) -> RunOutcome:
    """Run every job of a plan that is not complete yet.

    Parameters
    ----------
    plan
        The jobs.
    data
        The file of each dataset, by slug.
    resolved
        The text of ``benchmark.yaml``, enough to repeat this.

    Raises
    ------
    UsageError, ResultsError, EngineError
        Before anything was started.
    """
    for device in {job.device for job in plan.jobs}:
        engine.check_device(device)
    capacity = usable(engine.capacity(), options.machine)
    jobs = fit(plan.jobs, capacity, say, no_gpu=options.machine.gpus == ())
    prepare_folder(results)
    expectations = Expectations(History(options.history).read() if options.history else ())
    prepared = prepare(plan.name, jobs, data, engine, options, expectations, say)
    with folder_lock(results):
        write_atomic(results.benchmark, resolved)
    session = _Session(engine, results, options, listener, say)
    outcome = session.run(prepared, capacity)
    with folder_lock(results):
        remove_empty([results.attempts])
        outcome.results = session.found.refresh()
        write_table(outcome.results)
    return outcome


class _Session:
    """One command at work on a results folder: with its locks, and a way out of everything."""

    def __init__(
        self,
        engine: Engine,
        results: ResultsFolder,
        options: RunOptions,
        listener: Listener,
        say: Say,
    ) -> None:
        self._engine = engine
        self._results = results
        self.found = Results(results.folder, ())
        self._options = options
        self._say = say
        self._cancelled = threading.Event()
        self._listener = Broadcast(GuardedListener(listener), Journal(results))
        self._locks = RunLocks(results)
        self._attempts = Attempts(engine, results, self._listener, self._cancelled, options.verbose)

        self._recovery = Recovery(
            engine, self._attempts, results, self._locks, self._cancelled, say
        )

    def run(self, jobs: Sequence[PreparedJob], capacity: Capacity) -> RunOutcome:
        schedule = self._schedule(capacity)
        with cancellation(self._cancelled):
            try:
                return self._run(jobs, schedule)
            except BaseException:
                self._cancelled.set()
                self._stop_all()
                schedule.wait(UNWIND_SECONDS)
                self._stop_all()  # what was being started in between
                raise
            finally:
                self._locks.release_all()

    def _run(self, jobs: Sequence[PreparedJob], schedule: Schedule) -> RunOutcome:
        self._listener.planned([job.task for job in jobs])
        survivors = self._recovery.recover({job.run_id for job in jobs})
        wanted = self._wanted(jobs, survivors)
        return schedule.run(wanted, rerun=self._options.rerun, survivors=survivors)

    def _wanted(
        self, jobs: Sequence[PreparedJob], survivors: Mapping[str, object]
    ) -> Sequence[PreparedJob]:
        """Every job, or with ``only_failed`` those whose last attempt failed, and what is done."""
        if not self._options.only_failed:
            return jobs
        resume = Resume(self.found)
        wanted = [
            job
            for job in jobs
            if job.run_id in survivors or resume.done(job) is not None or resume.failed(job)
        ]
        if len(wanted) < len(jobs):
            self._say(f"{len(jobs) - len(wanted)} jobs that have not failed are left out")
        return wanted

    def _schedule(self, capacity: Capacity) -> Schedule:
        site = RunContext(
            engine=self._engine,
            attempts=self._attempts,
            recovery=self._recovery,
            results=self._results,
            found=self.found,
            locks=self._locks,
            listener=self._listener,
            cancelled=self._cancelled,
        )
        options = self._options
        bounds = Bounds(capacity, options.machine.jobs_per_gpu, options.parallel, options.min_free)
        history = None if options.history is None else History(options.history)
        return Schedule(site, bounds, history)

    def _stop_all(self) -> None:
        """End whatever is ours, at once; what can't be reached is found by the next command."""
        for run_id in self._locks.held():
            with suppress(EngineError):
                self._engine.sweep(owner_labels(self._results, run_id))
