"""Foresees each model on a dataset: whether it can run, how long it takes and how much memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from multiverse.engines.protocol import Capacity
from multiverse.forecast.forecast import Expectations
from multiverse.inspection.facts import ModelOutlook
from multiverse.plan import PlannedJob, expand
from multiverse.plan.applicable import obstacle
from multiverse.runner.capacity import within
from multiverse.specs.benchmark import BenchmarkSource
from multiverse.specs.dataset import DatasetRecord
from multiverse.specs.model import ModelSpec


@dataclass(frozen=True)
class Foresight:
    """The models there are, what past runs took, and what jobs may use of this machine."""

    models: Sequence[ModelSpec]
    expectations: Expectations
    capacity: Capacity

    def outlooks(self, dataset: DatasetRecord) -> tuple[ModelOutlook, ...]:
        """Return what is to be expected of each model, with its default settings."""
        return tuple(self._outlook(dataset, model) for model in self.models)

    def applicable(self, dataset: DatasetRecord) -> list[str]:
        """Return the names of the models that can run on it."""
        return [model.name for model in self.models if self._reason(dataset, model) is None]

    def _outlook(self, dataset: DatasetRecord, model: ModelSpec) -> ModelOutlook:
        reason, device = self._reason(dataset, model), _device(model)
        job = self._job(dataset, model, device) if reason is None else None
        return ModelOutlook(
            model=model.name,
            version=model.version,
            device=device,
            reason=reason,
            time=None if job is None else self.expectations.time(job),
            memory=None if job is None else self.expectations.memory(job),
            cpus=None if job is None else job.limits.cpus,
            memory_limit=None if job is None else job.limits.memory,
            warning=None if job is None else self.expectations.warning(job),
        )

    def _reason(self, dataset: DatasetRecord, model: ModelSpec) -> str | None:
        if _device(model) != "cpu" and not self.capacity.gpus:
            return "needs a GPU, and this machine has none"
        return obstacle(dataset, model)

    def _job(self, dataset: DatasetRecord, model: ModelSpec, device: str) -> PlannedJob:
        entry = {"model": model.name, "device": device}
        source = BenchmarkSource.of({"datasets": [dataset.slug], "models": [entry]})
        (job,) = expand(source, [dataset], {model.name: model}).jobs
        return replace(job, limits=within(job.limits, self.capacity))


def _device(model: ModelSpec) -> str:
    return "cuda" if model.yaml.resources.gpu == "required" else "cpu"
