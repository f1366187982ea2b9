"""The job, as a model's function sees it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from logging import Logger
from typing import TYPE_CHECKING, Any

from multiverse.contract.paths import MEMORY_VARIABLE
from multiverse.errors import MultiverseError
from multiverse.worker.seeding import seed_everything

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from multiverse.contract import JobSpec
    from multiverse.worker.epochs import EpochLog


GIB = 1024**3


class MemoryTooSmall(MultiverseError):
    """The memory that the job was given will not hold what the model is about to allocate."""


@dataclass
class Notes:
    """Notes for the record of a job, collected while it runs."""

    used: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    libraries: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One job, as the author of a model sees it.

    ``batch`` holds the name of each cell's batch (n_cells, strings), or None if the dataset
    has no batch column. ``threads`` is the share of the CPU that the engine gave to the job,
    ``memory_limit`` its memory in bytes, None where that is not known.

    ``measured`` maps each modality to a mask (n_cells,) of the cells that were measured in it.
    All are true but for a model that takes a mosaic (``run_model(embed, mosaic=True)``): there
    the data have an empty row for a cell that was not measured, and only the mask tells it from
    a measured cell in which nothing was counted.
    """

    spec: JobSpec
    batch: NDArray[np.str_] | None
    threads: int
    log: Logger
    epochs: EpochLog
    memory_limit: int | None = None
    notes: Notes = field(default_factory=Notes)
    measured: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return all hyperparameters of the model, defaults filled in."""
        return self.spec.hyperparameters

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """Return all settings of the preprocessing, defaults filled in."""
        return self.spec.preprocessing

    @property
    def seed(self) -> int:
        return self.spec.seed

    @property
    def device(self) -> str:
        """Return ``cpu``, ``cuda`` or ``cuda:1``."""
        return self.spec.device

    def epoch(
        self, number: int, total: int | None = None, *, limit: bool = False, **values: Any
    ) -> None:
        """Report an epoch, live: ``job.epoch(3, 100, loss=0.25)``.

        ``limit``: ``total`` is the most that there can be; training may converge before it.
        """
        self.epochs.add(number, total, values, limit=limit)

    def record(self, **values: Any) -> None:
        """Note what was used, for ``metrics.json`` (``settings.used``): ``job.record(genes=2000)``.

        Values must be what JSON can hold.
        """
        self.notes.used.update(values)

    def warn(self, message: str) -> None:
        """Warn the user of this run: in the log, in ``metrics.json``, and by the runner."""
        self.log.warning("%s", message)
        self.notes.warnings.append(message)

    def library(self, name: str, version: str | None = None) -> None:
        """Name the library that the method comes from: ``job.library("mofapy2")``.

        It is what reports cite, with its ``version``: that of the installed package if none is
        given.
        """
        self.notes.libraries[name] = version or metadata.version(name)

    def require_memory(self, n_bytes: float, what: str) -> None:
        """Stop before a long run if ``n_bytes`` for ``what`` exceed the job's memory.

        Raises :class:`MemoryTooSmall`, which names both figures. Without a known limit, nothing.
        """
        if self.memory_limit is not None and n_bytes > self.memory_limit:
            raise MemoryTooSmall(
                f"{what} needs about {n_bytes / GIB:.1f} GiB of memory, and the job was given "
                f"{self.memory_limit / GIB:.1f} GiB",
                remedy="Give it more (--job-memory), select fewer features, or a smaller model.",
            )

    def seed_everything(self) -> None:
        """Seed random, numpy and (if it has been imported) torch.

        The worker does so just before the model's function starts. A model that imports torch
        inside its function calls this afterwards; an import inside ``__main__.py`` needs nothing.
        """
        seed_everything(self.seed)


def available_threads(environment: Mapping[str, str] | None = None) -> int:
    """Return the share of the CPU: ``OMP_NUM_THREADS`` of the engine, else the usable cores."""
    variables = os.environ if environment is None else environment
    first = variables.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isdigit() and int(first) > 0:
        return int(first)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_limit(environment: Mapping[str, str] | None = None) -> int | None:
    """Return the bytes of memory that the engine gave to the job; None if it did not say."""
    variables = os.environ if environment is None else environment
    text = variables.get(MEMORY_VARIABLE, "")
    return int(text) if text.isdigit() else None
