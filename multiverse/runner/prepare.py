"""From the jobs of a plan to jobs that can start: images or environments, identities, order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from multiverse.engines.protocol import Engine
from multiverse.events import Tell
from multiverse.forecast.forecast import Expectations
from multiverse.plan.job import PlannedJob
from multiverse.runner.options import RunOptions
from multiverse.runner.prepared import PreparedJob
from multiverse.specs.accelerator import model_for


def prepare(
    experiment: str,
    jobs: Sequence[PlannedJob],
    data: Mapping[str, Path],
    engine: Engine,
    options: RunOptions,
    expectations: Expectations,
    tell: Tell,
) -> list[PreparedJob]:
    """Return every job with its dataset's file, runtime and identity, longest expected first.

    Raises :class:`EngineError` where an image is neither there nor can be made.
    """
    wanted = {(job.model.name, job.device): model_for(job.model, job.device) for job in jobs}
    runtimes = {
        key: engine.prepare(model, build=options.build, tell=tell) for key, model in wanted.items()
    }
    return [
        PreparedJob(
            job=job,
            data=data[job.dataset.slug],
            runtime=runtimes[job.model.name, job.device],
            identity=job.identity(runtimes[job.model.name, job.device].digest),
            experiment=experiment,
            tags=options.tags,
            device_inside=engine.device_inside(job.device),
            expected_seconds=expectations.seconds(job),
            warning=expectations.warning(job),
        )
        for job in expectations.order(jobs)
    ]
