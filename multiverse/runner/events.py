"""What happens while a benchmark runs, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from multiverse.runs.record import Usage
from multiverse.runs.run import Run


@dataclass(frozen=True)
class Task:
    """A job of the plan with its run id: what is queued, shown and reported."""

    run_id: str
    name: str
    dataset: str
    model: str
    seed: int
    #: From past runs of the model; None where there are none.
    expected_seconds: float | None = None


@dataclass(frozen=True)
class Epoch:
    """One line of ``metrics.jsonl``."""

    number: int
    total: int | None
    values: Mapping[str, float]


@dataclass(frozen=True)
class Start:
    """How an attempt begins. ``memory`` is its limit in bytes, ``gpu`` the id of the one it has."""

    attempt: int
    cpus: float
    memory: int
    gpu: str | None = None
    #: Left by a runner that was killed, and taken over while it runs.
    adopted: bool = False


class Listener(Protocol):
    """Is told about every step. Calls may come from several threads."""

    def planned(self, tasks: Sequence[Task]) -> None:
        """Every job of the benchmark, before anything else is said of one."""
        ...

    def queued(self, task: Task, why: str) -> None:
        """It has to run, because of ``why``."""
        ...

    def reused(self, task: Task, run: Run) -> None:
        """Nothing has to be done: it is complete, or known to be not applicable."""
        ...

    def held(self, task: Task, holder: str) -> None:
        """Another runner works on it; it is waited for."""
        ...

    def started(self, task: Task, start: Start) -> None:
        """An attempt begins, or one that a killed runner left is taken over."""
        ...

    def progress(self, task: Task, usage: Usage, epoch: Epoch | None) -> None:
        """What a running attempt has used, and its newest epoch."""
        ...

    def output(self, task: Task, chunk: bytes) -> None:
        """What the model prints; only if the run is verbose."""
        ...

    def retried(self, task: Task, run: Run, how: str) -> None:
        """An attempt failed, and another will be made, ``how``: `with 8.0 GiB of memory`."""
        ...

    def finished(self, task: Task, run: Run) -> None:
        """The job has ended for good; ``run`` is its last attempt."""
        ...

    def noted(self, message: str) -> None:
        """What concerns all jobs: a disk that is short, a runner that is waited for."""
        ...


class GuardedListener:
    """Tells another listener, and lets nothing that goes wrong there touch a job.

    A closed pipe, a terminal that can't show a character, a mistake in a user's own listener:
    what is shown may be lost, what is computed may not. rich ends a thread by SystemExit when
    its pipe is closed.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def planned(self, tasks: Sequence[Task]) -> None:
        with suppress(Exception, SystemExit):
            self._listener.planned(tasks)

    def queued(self, task: Task, why: str) -> None:
        with suppress(Exception, SystemExit):
            self._listener.queued(task, why)

    def reused(self, task: Task, run: Run) -> None:
        with suppress(Exception, SystemExit):
            self._listener.reused(task, run)

    def held(self, task: Task, holder: str) -> None:
        with suppress(Exception, SystemExit):
            self._listener.held(task, holder)

    def started(self, task: Task, start: Start) -> None:
        with suppress(Exception, SystemExit):
            self._listener.started(task, start)

    def progress(self, task: Task, usage: Usage, epoch: Epoch | None) -> None:
        with suppress(Exception, SystemExit):
            self._listener.progress(task, usage, epoch)

    def output(self, task: Task, chunk: bytes) -> None:
        with suppress(Exception, SystemExit):
            self._listener.output(task, chunk)

    def retried(self, task: Task, run: Run, how: str) -> None:
        with suppress(Exception, SystemExit):
            self._listener.retried(task, run, how)

    def finished(self, task: Task, run: Run) -> None:
        with suppress(Exception, SystemExit):
            self._listener.finished(task, run)

    def noted(self, message: str) -> None:
        with suppress(Exception, SystemExit):
            self._listener.noted(message)


class Broadcast:
    """Tells several listeners, one after the other."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def planned(self, tasks: Sequence[Task]) -> None:
        for listener in self._listeners:
            listener.planned(tasks)

    def queued(self, task: Task, why: str) -> None:
        for listener in self._listeners:
            listener.queued(task, why)

    def reused(self, task: Task, run: Run) -> None:
        for listener in self._listeners:
            listener.reused(task, run)

    def held(self, task: Task, holder: str) -> None:
        for listener in self._listeners:
            listener.held(task, holder)

    def started(self, task: Task, start: Start) -> None:
        for listener in self._listeners:
            listener.started(task, start)

    def progress(self, task: Task, usage: Usage, epoch: Epoch | None) -> None:
        for listener in self._listeners:
            listener.progress(task, usage, epoch)

    def output(self, task: Task, chunk: bytes) -> None:
        for listener in self._listeners:
            listener.output(task, chunk)

    def retried(self, task: Task, run: Run, how: str) -> None:
        for listener in self._listeners:
            listener.retried(task, run, how)

    def finished(self, task: Task, run: Run) -> None:
        for listener in self._listeners:
            listener.finished(task, run)

    def noted(self, message: str) -> None:
        for listener in self._listeners:
            listener.noted(message)


class SilentListener:
    """Shows nothing (for the Python API)."""

    def planned(self, tasks: Sequence[Task]) -> None:
        """Nothing to show."""

    def queued(self, task: Task, why: str) -> None:
        """Nothing to show."""

    def reused(self, task: Task, run: Run) -> None:
        """Nothing to show."""

    def held(self, task: Task, holder: str) -> None:
        """Nothing to show."""

    def started(self, task: Task, start: Start) -> None:
        """Nothing to show."""

    def progress(self, task: Task, usage: Usage, epoch: Epoch | None) -> None:
        """Nothing to show."""

    def output(self, task: Task, chunk: bytes) -> None:
        """Nothing to show."""

    def retried(self, task: Task, run: Run, how: str) -> None:
        """Nothing to show."""

    def finished(self, task: Task, run: Run) -> None:
        """Nothing to show."""

    def noted(self, message: str) -> None:
        """Nothing to show."""
