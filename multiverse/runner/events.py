"""What happens while a benchmark runs, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from multiverse.runs.listing import FoundRun
from multiverse.runs.record import Usage


@dataclass(frozen=True)
class Task:
    """A job of the plan with its run id: what is queued, shown and reported."""

    run_id: str
    name: str
    dataset: str
    model: str
    seed: int


@dataclass(frozen=True)
class Epoch:
    """One line of ``metrics.jsonl``."""

    number: int
    total: int | None
    values: Mapping[str, float]


class Listener(Protocol):
    """Is told about every step. Calls may come from several threads."""

    def queued(self, task: Task, why: str) -> None: ...

    def reused(self, task: Task, run: FoundRun) -> None: ...

    def started(self, task: Task, attempt: int, memory_limit: int) -> None: ...

    def progress(self, task: Task, usage: Usage, epoch: Epoch | None) -> None: ...

    def output(self, task: Task, chunk: bytes) -> None: ...

    def finished(self, task: Task, run: FoundRun) -> None: ...


class GuardedListener:
    """Tells another listener, and lets nothing that goes wrong there touch a job.

    A closed pipe, a terminal that can't show a character, a mistake in a user's own listener:
    what is shown may be lost, what is computed may not. rich ends a thread by SystemExit when
    its pipe is closed.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def queued(self, task: Task, why: str) -> None:
        with suppress(Exception, SystemExit):
            self._listener.queued(task, why)

    def reused(self, task: Task, run: FoundRun) -> None:
        with suppress(Exception, SystemExit):
            self._listener.reused(task, run)

    def started(self, task: Task, attempt: int, memory_limit: int) -> None:
        with suppress(Exception, SystemExit):
            self._listener.started(task, attempt, memory_limit)

    def progress(self, task: Task, usage: Usage, epoch: Epoch | None) -> None:
        with suppress(Exception, SystemExit):
            self._listener.progress(task, usage, epoch)

    def output(self, task: Task, chunk: bytes) -> None:
        with suppress(Exception, SystemExit):
            self._listener.output(task, chunk)

    def finished(self, task: Task, run: FoundRun) -> None:
        with suppress(Exception, SystemExit):
            self._listener.finished(task, run)


class SilentListener:
    """Shows nothing (for the Python API)."""

    def queued(self, task: Task, why: str) -> None:
        """Nothing to show."""

    def reused(self, task: Task, run: FoundRun) -> None:
        """Nothing to show."""

    def started(self, task: Task, attempt: int, memory_limit: int) -> None:
        """Nothing to show."""

    def progress(self, task: Task, usage: Usage, epoch: Epoch | None) -> None:
        """Nothing to show."""

    def output(self, task: Task, chunk: bytes) -> None:
        """Nothing to show."""

    def finished(self, task: Task, run: FoundRun) -> None:
        """Nothing to show."""
