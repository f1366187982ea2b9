"""Finds past runs that are similar to a job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from multiverse.forecast.history import PastRun, settings_hash
from multiverse.plan.job import PlannedJob

#: Only so many of the newest runs count, so that what was changed since is forgotten.
RECENT = 200


@dataclass(frozen=True)
class Subject:
    """The features of a job that determine its cost."""

    model: str
    version: str
    device: str
    parameters: str
    cpus: float
    n_obs: int
    n_values: int

    @classmethod
    def of(cls, job: PlannedJob) -> Subject:
        return cls(
            model=job.model.name,
            version=job.model.version,
            device=job.device.partition(":")[0],
            parameters=settings_hash(job.changed, job.preprocessing),
            cpus=job.limits.cpus,
            n_obs=job.dataset.n_obs,
            n_values=job.n_values,
        )


class PastRuns:
    """Past runs, oldest first, found by how much they are like a job."""

    def __init__(self, runs: Iterable[PastRun]) -> None:
        self._groups: dict[_Key, list[PastRun]] = defaultdict(list)
        for run in runs:
            for key in _keys(run.model, run.device, run.parameters, run.model_version):
                self._groups[key].append(run)

    def of_model(self, subject: Subject) -> list[PastRun]:
        """Return all runs of the same model on the same kind of device."""
        return self._groups.get((subject.model, subject.device, None, None), [])

    def alike(
        self, subject: Subject, also: Callable[[PastRun], bool] = lambda _: True
    ) -> list[PastRun]:
        """Return the newest of the runs most like the job; ``also`` where any of them pass it.

        The same settings and version; if there is none, the same settings; then the same
        version; then any of the model on that kind of device.
        """
        keys = _keys(subject.model, subject.device, subject.parameters, subject.version)
        for key in keys:
            found = self._groups.get(key)
            if found:
                return ([run for run in found if also(run)] or found)[-RECENT:]
        return []


_Key = tuple[str, str, str | None, str | None]


def _keys(model: str, device: str, parameters: str, version: str) -> tuple[_Key, ...]:
    """Return keys from all alike to any of the model."""
    return (
        (model, device, parameters, version),
        (model, device, parameters, None),
        (model, device, None, version),
        (model, device, None, None),
    )
