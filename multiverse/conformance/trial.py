"""A trial: one job of the suite, made as the runner makes it, and what came of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from multiverse.conformance.sandbox_change import ChangedEngine, SandboxChange
from multiverse.contract.files import read_regular
from multiverse.engines.docker import DockerImage
from multiverse.engines.log_sink import last_lines
from multiverse.engines.protocol import Ending, Engine, Running, Runtime
from multiverse.events import silent
from multiverse.facts import RunState, Usage
from multiverse.plan.job import Limits, PlannedJob
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runner.attempt import Attempts
from multiverse.runner.prepared import PreparedJob
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.record import RunRecord
from multiverse.runs.run import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOG_LINES = 6
AS_USUAL = SandboxChange()


@dataclass(frozen=True)
class Trial:
    """One job: which data, which settings, which sandbox.

    ``device``, where given, is what the model is told although the engine gives it no GPU.
    ``stop_after`` seconds from its start it is asked to end. ``data`` stands in for the dataset's
    own file.
    """

    name: str
    dataset: RegisteredDataset
    modalities: tuple[str, ...]
    parameters: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    seed: int = 0
    device: str | None = None
    sandbox: SandboxChange = AS_USUAL
    stop_after: float | None = None
    data: Path | None = None


@dataclass(frozen=True)
class TrialOutcome:
    """The outcome of a trial. ``latent`` is there if the run is complete.

    ``ended_within`` is the time in seconds between the request to stop and the end.
    """

    record: RunRecord
    folder: Path
    log: tuple[str, ...]
    latent: NDArray[np.float32] | None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    ended_within: float | None = None

    @property
    def complete(self) -> bool:
        return self.record.state is RunState.COMPLETE

    @property
    def not_applicable(self) -> bool:
        return self.record.state is RunState.NOT_APPLICABLE

    @property
    def settings(self) -> Mapping[str, Any] | None:
        """The worker SDK's notes beside the metrics; None for a model without the SDK."""
        found = self.metrics.get("settings")
        return found if isinstance(found, dict) and "hyperparameters" in found else None

    def equals(self, other: TrialOutcome) -> bool:
        """Return whether both embeddings are there and the same, bit for bit."""
        import numpy as np

        if self.latent is None or other.latent is None:
            return False
        return bool(np.array_equal(self.latent, other.latent))

    def describe(self) -> str:
        """Describe the outcome in one sentence."""
        if self.latent is not None:
            rows, columns = self.latent.shape
            return f"an embedding of {rows} cells in {columns} dimensions"
        word = str(self.record.state).replace("_", " ")
        return f"{word}: {self.record.message}" if self.record.message else word


class TrialRunner:
    """Makes trials of one model on one engine, each in a results folder of its own."""

    def __init__(
        self, engine: Engine, runtime: Runtime, folder: Path, *, time_limit: int, device: str
    ) -> None:
        self._engine = engine
        self._runtime = runtime
        self.device = device
        self.folder = folder
        resources = runtime.model.yaml.resources
        cpus = min(resources.cpus, engine.capacity().cpus)
        self.limits = Limits(cpus=cpus, memory=resources.memory, time_limit=time_limit)

    @property
    def volumes(self) -> tuple[str, ...]:
        """The folders that the model's image declares as volumes."""
        handle = self._runtime.handle
        return handle.volumes if isinstance(handle, DockerImage) else ()

    def make(self, trial: Trial) -> TrialOutcome:
        """Make one attempt. The job's problems are in the outcome; a full disk and such raise."""
        results = ResultsFolder(self.folder / trial.name)
        cancelled = threading.Event()
        stoppers: list[_Stopper] = []

        def start(running: Running) -> Running:
            if trial.stop_after is None:
                return running
            stoppers.append(_Stopper(running, cancelled, trial.stop_after))
            return stoppers[-1]

        engine = ChangedEngine(self._engine, trial.sandbox, start)
        attempts = Attempts(engine, results, silent, cancelled)
        found = attempts.make(self._prepared(trial))
        asked = next((stopper.asked for stopper in stoppers), None)
        return _outcome(found, None if asked is None else time.monotonic() - asked)

    def _prepared(self, trial: Trial) -> PreparedJob:
        model = self._runtime.model
        job = PlannedJob(
            dataset=trial.dataset.record,
            model=model,
            parameters=trial.parameters,
            preprocessing=trial.preprocessing,
            modalities=trial.modalities,
            seed=trial.seed,
            device=self.device if trial.device is None else "cpu",
            limits=self.limits,
        )
        return PreparedJob(
            job=job,
            data=trial.data or trial.dataset.data,
            runtime=self._runtime,
            identity=job.identity(self._runtime.digest),
            experiment="conformance",
            tags={"check": trial.name},
            device_inside=trial.device or self._engine.device_inside(self.device),
        )


class _Stopper:
    """A running job that is asked to end at a moment of its life.

    The runner's waits end at that moment, not at its next look: a model that is done within one
    of its waits is still running when it is asked.
    """

    def __init__(self, running: Running, cancelled: threading.Event, seconds: float) -> None:
        self._running = running
        self._cancelled = cancelled
        self._moment = time.monotonic() + seconds
        self.asked: float | None = None

    def wait(self, seconds: float) -> bool:
        if self.asked is not None:
            return self._running.wait(seconds)
        ended = self._running.wait(max(0.0, min(seconds, self._moment - time.monotonic())))
        if not ended and time.monotonic() >= self._moment:
            self.asked = time.monotonic()
            self._cancelled.set()
        return ended

    def usage(self) -> Usage:
        return self._running.usage()

    def stop(self, grace: float) -> None:
        self._running.stop(grace)

    def ending(self) -> Ending:
        return self._running.ending()

    def __enter__(self) -> Self:
        self._running.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.__exit__(kind, error, traceback)


def _outcome(found: Run, ended_within: float | None) -> TrialOutcome:
    if not found.complete:
        return TrialOutcome(
            found.record, found.folder, _log(found), None, ended_within=ended_within
        )
    latent = found.embedding()
    metrics = json.loads(read_regular(found.files.metrics, max_bytes=64 * 1024**2))
    return TrialOutcome(found.record, found.folder, _log(found), latent, metrics, ended_within)


def _log(found: Run) -> tuple[str, ...]:
    return tuple(last_lines(found.container_log, LOG_LINES))
