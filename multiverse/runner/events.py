"""What happens while a benchmark runs, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
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
