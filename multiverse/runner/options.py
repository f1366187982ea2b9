"""Options of running a benchmark, as opposed to its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from multiverse.errors import UsageError
from multiverse.runner.capacity import Machine
from multiverse.specs.quantity import parse_bytes

#: Nothing new is started when the disk of the results folder has less free.
MIN_FREE = parse_bytes("1GiB")


@dataclass(frozen=True)
class RunOptions:
    """Options of running, as opposed to the jobs themselves.

    ``parallel``: at most that many jobs at a time (None: as many as the machine has room for).
    ``min_free``: bytes of disk below which nothing new is started. ``history``: the file with
    what past runs took, if there is one.
    """

    parallel: int | None = None
    machine: Machine = field(default_factory=Machine)
    build: bool = True
    rerun: bool = False
    only_failed: bool = False
    verbose: bool = False
    min_free: int = MIN_FREE
    tags: Mapping[str, str] = field(default_factory=dict)
    history: Path | None = None

    def check(self) -> None:
        """Raise :class:`UsageError` for what makes no sense."""
        if self.parallel is not None and self.parallel < 1:
            raise UsageError(f"--jobs must be at least 1, not {self.parallel}")
        if self.rerun and self.only_failed:
            raise UsageError("--rerun runs everything again, --only-failed only what failed")
        self.machine.check()
