"""Runs a plan on an engine into a results folder: the whole of it, in one call."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from multiverse.contract.child_check import EXAMINER
from multiverse.engines.protocol import Capacity, Engine
from multiverse.errors import EngineError
from multiverse.events import Noted, Planned, Tell, everybody, guarded
from multiverse.forecast.forecast import Expectations
from multiverse.forecast.history import History
from multiverse.plan.job import Plan
from multiverse.runner.attempt import Attempts
from multiverse.runner.capacity import fit, usable
from multiverse.runner.journal import Journal
from multiverse.runner.options import RunOptions
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

#: After a second Ctrl-C, jobs that are just being started get that long to be stopped.
UNWIND_SECONDS = 15.0


def execute(
    plan: Plan,
    data: Mapping[str, Path],
    engine: Engine,
    results: ResultsFolder,
    *,
    resolved: str,
    options: RunOptions,
    tell: Tell,
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
        Before anything was started; :class:`ChecksUnavailable` where no output could be checked.
    """
    for device in {job.device for job in plan.jobs}:
        engine.check_device(device)
    capacity = usable(engine.capacity(), options.machine)
    jobs = fit(plan.jobs, capacity, tell, no_gpu=options.machine.gpus == ())
    EXAMINER.start()  # loads its libraries meanwhile
    prepare_folder(results)
    EXAMINER.try_out()
    expectations = Expectations(History(options.history).read() if options.history else ())
    prepared = prepare(plan.name, jobs, data, engine, options, expectations, tell)
    with folder_lock(results):
        write_atomic(results.benchmark, resolved)
    session = _Session(engine, results, options, tell)
    outcome = session.run(prepared, capacity)
    place = {job.name: number for number, job in enumerate(jobs)}
    outcome.runs.sort(key=lambda run: place.get(run.record.name, len(place)))  # not as they ended
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
        tell: Tell,
    ) -> None:
        self._engine = engine
        self._results = results
        self.found = Results(results.folder, ())
        self._options = options
        self._cancelled = threading.Event()
        self._tell = everybody(guarded(tell), Journal(results))
        self._locks = RunLocks(results)
        self._attempts = Attempts(engine, results, self._tell, self._cancelled, options.verbose)
        self._recovery = Recovery(
            engine, self._attempts, results, self._locks, self._cancelled, self._tell
        )

    def run(self, jobs: Sequence[PreparedJob], capacity: Capacity) -> RunOutcome:
        schedule = self._schedule(capacity)
        with cancellation(self._cancelled, self._stop_all):
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
        self._tell(Planned(tuple(job.facts for job in jobs)))
        survivors = self._recovery.recover({job.run_id for job in jobs})
        wanted = self._wanted(jobs, survivors)
        return schedule.run(wanted, rerun=self._options.rerun, survivors=survivors)

    def _wanted(
        self, jobs: Sequence[PreparedJob], survivors: Mapping[str, object]
    ) -> Sequence[PreparedJob]:
        """Return every job, or with ``only_failed`` those that failed last or are done."""
        if not self._options.only_failed:
            return jobs
        resume = Resume(self.found)
        wanted = [
            job
            for job in jobs
            if job.run_id in survivors or resume.done(job) is not None or resume.failed(job)
        ]
        if len(wanted) < len(jobs):
            left_out = len(jobs) - len(wanted)
            self._tell(Noted(f"{left_out} jobs that have not failed are left out"))
        return wanted

    def _schedule(self, capacity: Capacity) -> Schedule:
        site = RunContext(
            engine=self._engine,
            attempts=self._attempts,
            recovery=self._recovery,
            results=self._results,
            found=self.found,
            locks=self._locks,
            tell=self._tell,
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
