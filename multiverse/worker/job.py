"""What a model's function sees of its job."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING, Any

from multiverse.worker.seeding import seed_everything

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from multiverse.contract import JobSpec
    from multiverse.worker.epochs import EpochLog


@dataclass(frozen=True)
class Job:
    """One job, as the author of a model sees it.

    ``batch`` holds the name of each cell's batch (n_cells, strings), or None if the dataset
    has no batch column. ``threads`` is the share of the CPU that the engine gave to the job.
    """

    spec: JobSpec
    batch: NDArray[np.str_] | None
    threads: int
    log: Logger
    epochs: EpochLog

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All hyperparameters of the model, defaults filled in."""
        return self.spec.hyperparameters

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """All settings of the preprocessing, defaults filled in."""
        return self.spec.preprocessing

    @property
    def seed(self) -> int:
        return self.spec.seed

    @property
    def device(self) -> str:
        """``cpu``, ``cuda`` or ``cuda:1``."""
        return self.spec.device

    def epoch(self, number: int, total: int | None = None, **values: Any) -> None:
        """Report an epoch, live: ``job.epoch(3, 100, loss=0.25)``."""
        self.epochs.add(number, total, values)

    def seed_everything(self) -> None:
        """Seed random, numpy and (if it has been imported) torch.

        The worker does so just before the model's function starts. A model that imports torch
        inside its function calls this afterwards; an import inside ``__main__.py`` needs nothing.
        """
        seed_everything(self.seed)


def available_threads(environment: Mapping[str, str] | None = None) -> int:
    """The share of the CPU: what the engine set as ``OMP_NUM_THREADS``, else the usable cores."""
    variables = os.environ if environment is None else environment
    first = variables.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isdigit() and int(first) > 0:
        return int(first)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
