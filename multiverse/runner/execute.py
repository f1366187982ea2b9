"""Runs a plan on an engine into a results folder: the whole of it, in one call."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from multiverse.engines.protocol import Engine, Say, model_for
from multiverse.errors import UsageError
from multiverse.plan.job import Job, Plan
from multiverse.runner.attempt import Attempts, PreparedJob, owner_labels
from multiverse.runner.events import GuardedListener, Listener
from multiverse.runner.schedule import Outcome, Schedule
from multiverse.runner.signals import cancellation
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.listing import write_table
from multiverse.runs.lock import locked
from multiverse.runs.publish import remove_empty
from multiverse.runs.writing import write_atomic

#: After a second Ctrl-C, jobs that are just being started get that long to be stopped.
UNWIND_SECONDS = 15.0


@dataclass(frozen=True)
class RunOptions:
    """How to run, as opposed to what."""

    parallel: int = 1
    build: bool = True
    rerun: bool = False
    verbose: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise :class:`UsageError` for what makes no sense."""
        if self.parallel < 1:
            raise UsageError(f"--jobs must be at least 1, not {self.parallel}")


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
) -> Outcome:
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
    ResultsError, EngineError
        Before anything was started.
    """
    for device in {job.device for job in plan.jobs}:
        engine.check_device(device)
    with locked(results):
        left = engine.sweep(owner_labels(results))
        if left:
            say(f"removed {left} job(s) that an earlier, killed run had left running")
        jobs = _prepare(plan, data, engine, options, say)
        write_atomic(results.benchmark, resolved)
        outcome = _run(jobs, engine, results, options, listener)
        remove_empty([results.attempts])
        write_table(results)
        return outcome


def _run(
    jobs: Sequence[PreparedJob],
    engine: Engine,
    results: ResultsFolder,
    options: RunOptions,
    listener: Listener,
) -> Outcome:
    cancelled = threading.Event()
    guarded = GuardedListener(listener)
    attempts = Attempts(engine, results, guarded, cancelled, options.verbose)
    schedule = Schedule(attempts, results, guarded, cancelled)
    with cancellation(cancelled):
        try:
            return schedule.run(jobs, options.parallel, rerun=options.rerun)
        except BaseException:
            cancelled.set()
            engine.sweep(owner_labels(results))
            schedule.wait(UNWIND_SECONDS)
            engine.sweep(owner_labels(results))  # what was being started in between
            raise


def _prepare(
    plan: Plan, data: Mapping[str, Path], engine: Engine, options: RunOptions, say: Say
) -> list[PreparedJob]:
    wanted = {(job.model.name, job.device): model_for(job.model, job.device) for job in plan.jobs}
    runtimes = {
        key: engine.prepare(model, build=options.build, say=say) for key, model in wanted.items()
    }
    fitted = _fit(plan.jobs, engine.cpus(), say)
    return [
        PreparedJob(
            job=job,
            device_inside=engine.device_inside(job.device),
            data=data[job.dataset.slug],
            runtime=runtimes[job.model.name, job.device],
            identity=job.identity(runtimes[job.model.name, job.device].digest),
            experiment=plan.name,
            tags=options.tags,
        )
        for job in fitted
    ]


def _fit(jobs: Sequence[Job], cpus: float, say: Say) -> list[Job]:
    """No job is given more CPU cores than there are; it runs with fewer, and that is said."""
    most = max(job.limits.cpus for job in jobs)
    if most > cpus:
        say(f"jobs that want {most:g} CPU cores get {cpus:g}: the engine has no more")
    return [
        replace(job, limits=replace(job.limits, cpus=min(job.limits.cpus, cpus))) for job in jobs
    ]
