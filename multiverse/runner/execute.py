"""Runs a plan on an engine into a results folder: the whole of it, in one call."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from multiverse.engines.protocol import Engine, Say
from multiverse.errors import UsageError
from multiverse.plan.job import Plan
from multiverse.runner.attempt import Attempts, PreparedJob, owner_labels
from multiverse.runner.events import Listener
from multiverse.runner.schedule import Outcome, Schedule
from multiverse.runner.signals import cancellation
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.listing import write_table
from multiverse.runs.lock import locked
from multiverse.runs.writing import write_atomic


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
        The file of each dataset, by fingerprint.
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
    attempts = Attempts(engine, results, listener, cancelled, options.verbose)
    schedule = Schedule(attempts, results, listener, cancelled)
    with cancellation(cancelled):
        try:
            return schedule.run(jobs, options.parallel, rerun=options.rerun)
        except BaseException:
            cancelled.set()
            engine.sweep(owner_labels(results))
            raise


def _prepare(
    plan: Plan, data: Mapping[str, Path], engine: Engine, options: RunOptions, say: Say
) -> list[PreparedJob]:
    models = {job.model.name: job.model for job in plan.jobs}
    runtimes = {
        name: engine.prepare(model, build=options.build, say=say) for name, model in models.items()
    }
    return [
        PreparedJob(
            job=job,
            data=data[job.dataset.fingerprint],
            runtime=runtimes[job.model.name],
            identity=job.identity(runtimes[job.model.name].digest),
            experiment=plan.name,
            tags=options.tags,
        )
        for job in plan.jobs
    ]
