"""Previews a command without doing any of it (``--dry-run``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from multiverse.engines.protocol import Engine, Runtime
from multiverse.errors import ImageMissing
from multiverse.events import Tell
from multiverse.facts import RunState
from multiverse.forecast.forecast import Expectations
from multiverse.forecast.history import History
from multiverse.plan.job import Plan, PlannedJob
from multiverse.runner.capacity import fit, usable
from multiverse.runner.options import RunOptions
from multiverse.runner.prepared import PreparedJob
from multiverse.runner.resume import Resume
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.specs.accelerator import model_for


class Prospect(StrEnum):
    """The expected outcome of a job."""

    COMPLETE = "complete"
    NOT_APPLICABLE = "not applicable"
    TO_RUN = "to run"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Preview:
    """One job of the plan. ``run_id`` is None where its image is not there yet."""

    name: str
    dataset: str
    model: str
    seed: int
    prospect: Prospect
    why: str
    run_id: str | None
    expected_seconds: float | None
    warning: str | None


def preview(
    plan: Plan, engine: Engine, results: ResultsFolder, options: RunOptions, tell: Tell
) -> list[Preview]:
    """Preview every job of a plan, in the order of starting. Builds, writes and starts nothing.

    Raises :class:`UsageError` for jobs that can never run, and :class:`EngineError` for a device
    that is not there, as the run itself would.
    """
    for device in {job.device for job in plan.jobs}:
        engine.check_device(device)
    machine = options.machine
    capacity = usable(engine.capacity(), machine)
    jobs = fit(plan.jobs, capacity, tell, no_gpu=machine.gpus == ())
    expectations = Expectations(History(options.history).read() if options.history else ())
    runtimes = _runtimes(jobs, engine, tell)
    resume = Resume(Results(results.folder, ()))
    found = []
    for job in expectations.order(jobs):
        runtime = runtimes[job.model.name, job.device]
        prepared = None if runtime is None else _prepared(job, runtime, engine)
        prospect, why = _prospect(prepared, resume, options)
        found.append(
            Preview(
                name=job.name,
                dataset=job.dataset.slug,
                model=job.model.name,
                seed=job.seed,
                prospect=prospect,
                why=why,
                run_id=None if prepared is None else prepared.run_id,
                expected_seconds=expectations.seconds(job),
                warning=expectations.warning(job),
            )
        )
    return found


def _runtimes(
    jobs: Sequence[PlannedJob], engine: Engine, tell: Tell
) -> dict[tuple[str, str], Runtime | None]:
    runtimes: dict[tuple[str, str], Runtime | None] = {}
    for job in jobs:
        key = (job.model.name, job.device)
        if key not in runtimes:
            model = model_for(job.model, job.device)
            try:
                runtimes[key] = engine.prepare(model, build=False, tell=tell)
            except ImageMissing:
                runtimes[key] = None
    return runtimes


def _prepared(job: PlannedJob, runtime: Runtime, engine: Engine) -> PreparedJob:
    return PreparedJob(
        job=job,
        data=Path(),
        runtime=runtime,
        identity=job.identity(runtime.digest),
        experiment="",
        tags={},
        device_inside=engine.device_inside(job.device),
    )


def _prospect(
    prepared: PreparedJob | None, resume: Resume, options: RunOptions
) -> tuple[Prospect, str]:
    if prepared is None:
        return Prospect.TO_RUN, "its image or environment is not made yet"
    if prepared.runtime.outdated and options.build:
        return Prospect.TO_RUN, "its image is older than its sources and will be built anew"
    done = resume.done(prepared)
    if done is not None and options.rerun:
        return Prospect.TO_RUN, "it is to be run again"
    if done is not None and done.record.state is RunState.COMPLETE:
        return Prospect.COMPLETE, ""
    if done is not None:
        return Prospect.NOT_APPLICABLE, done.record.message
    if options.only_failed and not resume.failed(prepared):
        return Prospect.LEFT_OUT, "it has not failed"
    return Prospect.TO_RUN, resume.reason(prepared)
