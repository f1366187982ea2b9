"""Which past runs are like a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from multiverse.plan.job import Job
from multiverse.runs.history import PastRun

#: Only so many of the newest runs count, so that what was changed since is forgotten.
RECENT = 200


@dataclass(frozen=True)
class Subject:
    """What of a job makes a difference to what it takes."""

    model: str
    version: str
    device: str
    parameters: str
    cpus: float
    n_obs: int
    n_values: int

    @classmethod
    def of(cls, job: Job, settings: str) -> Subject:
        """``settings``: their hash, as past runs have it."""
        return cls(
            model=job.model.name,
            version=job.model.version,
            device=job.device.partition(":")[0],
            parameters=settings,
            cpus=job.limits.cpus,
            n_obs=job.dataset.n_obs,
            n_values=job.n_values,
        )


Test = Callable[[PastRun], bool]


def preferred(
    runs: Sequence[PastRun], subject: Subject, also: Test = lambda _: True
) -> list[PastRun]:
    """The newest of the runs that are most like the job; ``also`` where any of them pass it."""

    def same_settings(run: PastRun) -> bool:
        return run.parameters == subject.parameters

    def same_version(run: PastRun) -> bool:
        return run.model_version == subject.version

    tests: tuple[Test, ...] = (
        lambda run: same_settings(run) and same_version(run),
        same_settings,
        same_version,
        lambda _: True,
    )
    for test in tests:
        found = [run for run in runs if test(run)]
        if found:
            return ([run for run in found if also(run)] or found)[-RECENT:]
    return []
