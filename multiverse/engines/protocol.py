"""The seam between the runner and what executes a job: an engine, an execution, a running job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from multiverse.contract.files import MAX_FILE_BYTES
from multiverse.contract.job_spec import ImageReference
from multiverse.events import Tell
from multiverse.facts import Cause, EngineFacts, Usage

if TYPE_CHECKING:
    from multiverse.specs.model import ModelSpec

Echo = Callable[[bytes], None]


@dataclass(frozen=True)
class Runtime:
    """The runtime of a model: an image, or a locked environment. Made once per model and plan."""

    model: ModelSpec
    image: ImageReference | None = None
    environment_lock: str | None = None
    #: What the engine itself needs to start it; nobody else looks inside.
    handle: Any = None
    #: Made from sources that have changed since, and to be made anew unless that is forbidden.
    outdated: bool = False

    @property
    def digest(self) -> str:
        """The part of a run's identity that stands for the software."""
        if self.image is not None:
            return self.image.digest
        if self.environment_lock is None:
            raise ValueError("a runtime has either an image or an environment lock")
        return self.environment_lock


@dataclass(frozen=True)
class Gpu:
    """One GPU: what the engine calls it, its name, its memory in bytes."""

    id: str
    name: str
    memory: int


@dataclass(frozen=True)
class Capacity:
    """The capacity for jobs: CPU cores, bytes of memory, GPUs."""

    cpus: float
    memory: int
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True)
class Orphan:
    """A job that a runner started and did not live to see the end of.

    ``handle`` is the engine's own; nobody else looks inside. Where it is not ``adoptable``, the
    engine can't tell how it ended or will end, and it can only be removed.
    """

    labels: Mapping[str, str]
    running: bool
    adoptable: bool
    handle: Any

    @property
    def run_id(self) -> str:
        return self.labels.get("multiverse.run", "")

    @property
    def attempt(self) -> str:
        """The number of the attempt, as text."""
        return self.labels.get("multiverse.attempt", "")


@dataclass(frozen=True)
class Execution:
    """One attempt, as an engine is asked to execute it.

    ``output`` is the only folder the model may write to, and ``max_file_bytes`` the size of a file
    there. ``memory`` is in bytes; ``labels`` mark whatever the engine starts, so that it can be
    found again. ``device`` names one GPU (``cuda:1``) where the job has one. ``more_inputs``:
    files to be read besides ``data``, by their path below ``/input``.
    """

    runtime: Runtime
    data: Path
    output: Path
    log: Path
    cpus: float
    memory: int
    device: str
    labels: Mapping[str, str]
    max_file_bytes: int = MAX_FILE_BYTES
    environment: Mapping[str, str] = field(default_factory=dict)
    more_inputs: Mapping[str, Path] = field(default_factory=dict)
    echo: Echo | None = None


@dataclass(frozen=True)
class Ending:
    """The end of a job, as far as the engine knows it.

    ``cause`` is None when the process ended by itself; what its exit code means is the
    contract's matter, not the engine's. ``left`` says in words what may still run, and how it is
    removed, where the engine could not see to it.
    """

    exit_code: int | None
    cause: Cause | None
    usage: Usage
    detail: str = ""
    left: str = ""


class Running(Protocol):
    """A started job. A context manager: leaving it removes the job, however it is left."""

    def wait(self, seconds: float) -> bool:
        """Wait at most that long; True once the job has ended."""
        ...

    def usage(self) -> Usage:
        """Return what the job has used so far."""
        ...

    def stop(self, grace: float) -> None:
        """Ask it to end (TERM), and after ``grace`` seconds make it (KILL)."""
        ...

    def ending(self) -> Ending:
        """Return how the job ended; only after :meth:`wait` said so."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Heeding(Protocol):
    """An engine that can be told what says that everything is to end.

    Optional: one whose answers never take long has no use for it.
    """

    def heed(self, cancelled: threading.Event) -> None:
        """Wait for no answer for longer than some seconds once this event is set."""
        ...


def heed(engine: Engine, cancelled: threading.Event) -> None:
    """Tell an engine what says that everything is to end, if it can be told."""
    if isinstance(engine, Heeding):
        engine.heed(cancelled)


class Engine(Protocol):
    """One way to execute jobs. Third-party engines register under ``multiverse.engines``."""

    name: str

    def facts(self) -> EngineFacts:
        """Return what is recorded about the engine; :class:`EngineUnavailable` if absent."""
        ...

    def prepare(self, model: ModelSpec, *, build: bool, tell: Tell) -> Runtime:
        """Find what runs the model, or make it if ``build``; EngineError otherwise."""
        ...

    def check_device(self, device: str) -> None:
        """Raise :class:`EngineError` if the engine can't give a job that device."""
        ...

    def device_inside(self, device: str) -> str:
        """Return the device's name inside the container."""
        ...

    def capacity(self) -> Capacity:
        """Return the capacity for jobs."""
        ...

    def start(self, execution: Execution) -> Running:
        """Start a job."""
        ...

    def orphans(self, labels: Mapping[str, str]) -> list[Orphan]:
        """Return whatever carries all these labels, running or ended."""
        ...

    def adopt(self, orphan: Orphan, log: Path, echo: Echo | None) -> Running:
        """Take over what another runner started, as if it had been started by this one."""
        ...

    def sweep(self, labels: Mapping[str, str]) -> int:
        """Remove whatever carries all these labels; returns how many there were."""
        ...
