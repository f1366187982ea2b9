"""A job: one model, one dataset, one set of parameters, one seed. Pure data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from multiverse.contract.paths import CONTRACT_VERSION
from multiverse.specs.dataset import DatasetRecord
from multiverse.specs.model import ModelSpec
from multiverse.specs.names import job_name, short


@dataclass(frozen=True)
class Limits:
    """The limits of a job: CPU cores, bytes of memory, seconds of wall time, bytes of disk.

    ``asked`` names those that the user asked for. The others are the model's own, and give way
    where a machine has less.
    """

    cpus: float
    memory: int
    time_limit: int | None = None
    disk: int = 20 * 1024**3
    asked: frozenset[str] = frozenset()

    def plain(self) -> dict[str, float | int | None]:
        """Return the limits as the record has them."""
        return {name: value for name, value in vars(self).items() if name != "asked"}

    @classmethod
    def of_plain(cls, values: Mapping[str, float | int | None]) -> Limits:
        """Make limits from a record; what a record lacks is as usual."""
        usual = cls(cpus=values.get("cpus") or 1, memory=int(values.get("memory") or 0))
        time_limit = values.get("time_limit")
        return replace(
            usual,
            disk=int(values.get("disk") or usual.disk),
            time_limit=None if time_limit is None else int(time_limit),
        )


@dataclass(frozen=True)
class RetryPolicy:
    """The policy after a failure that is not the model's own.

    An attempt that ended for want of memory is repeated with ``memory_growth`` times as much, up
    to ``max_memory`` bytes (None: what the machine has); one whose engine was lost as it was.
    ``retries`` counts both.
    """

    retries: int = 2
    memory_growth: float = 2.0
    max_memory: int | None = None


@dataclass(frozen=True)
class Identity:
    """Everything that can change a result. Its hash is the run's id.

    ``runtime`` is the image's digest, or the hash of the environment's lock where no image
    is used.
    """

    dataset: str
    model: str
    model_version: str
    runtime: str
    parameters: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    seed: int
    device_kind: str
    contract_version: str
    labels: str | None = None

    @cached_property
    def run_id(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the canonical JSON form."""
        text = json.dumps(self.plain(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def plain(self) -> dict[str, Any]:
        """Return the identity as JSON has it, for the record."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in values.items()
        }

    def differences(self, earlier: Mapping[str, Any]) -> list[str]:
        """Return what changed since an earlier run: ``parameter n_factors 15 → 20``."""
        changes: list[str] = []
        for name, value in self.plain().items():
            before = earlier.get(name)
            if isinstance(value, Mapping) and isinstance(before, Mapping):
                changes += _setting_changes(name.removesuffix("s"), before, value)
            elif value != before:
                changes.append(f"{_WORDS.get(name, name)} {short(before)} → {short(value)}")
        return changes


_WORDS = {"dataset": "dataset fingerprint", "runtime": "image or environment digest"}


def _setting_changes(word: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = sorted({*before, *after})
    return [
        f"{word} {name} {short(before.get(name))} → {short(after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    ]


@dataclass(frozen=True)
class PlannedJob:
    """One job of a plan, before it is known which image will run it."""

    dataset: DatasetRecord
    model: ModelSpec
    parameters: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    modalities: tuple[str, ...]
    seed: int
    device: str
    limits: Limits
    retry: RetryPolicy = RetryPolicy()

    @property
    def name(self) -> str:
        """For people: ``pbmc/mofa n_factors=20 seed 0``; parameters if not the default ones."""
        return job_name(self.dataset.slug, self.model.name, self.changed, self.seed)

    @property
    def changed(self) -> dict[str, Any]:
        """The parameters that differ from the model's defaults."""
        defaults = self.model.defaults("parameters")
        return {name: value for name, value in self.parameters.items() if value != defaults[name]}

    @property
    def n_values(self) -> int:
        """Stored counts of the dataset in the modalities that the model uses."""
        return sum(self.dataset.modalities[name].n_values for name in self.modalities)

    def identity(self, runtime: str) -> Identity:
        """Return the job's identity when it is run by that image or environment."""
        return Identity(
            dataset=self.dataset.fingerprint,
            model=self.model.name,
            model_version=self.model.version,
            runtime=runtime,
            parameters=self.parameters,
            preprocessing=self.preprocessing,
            seed=self.seed,
            device_kind=self.device.partition(":")[0],
            contract_version=CONTRACT_VERSION,
            labels=self.dataset.labels_fingerprint if self.model.yaml.uses_labels else None,
        )


@dataclass(frozen=True)
class NotPlanned:
    """A pair that makes no sense: the dataset, or some of its cells, lack what the model needs."""

    dataset: str
    model: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """The jobs of a benchmark, and the pairs that are not applicable."""

    name: str
    jobs: tuple[PlannedJob, ...]
    not_applicable: tuple[NotPlanned, ...] = ()
