"""What came of copying runs to MLflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from multiverse.runs.run import Run


class Done(StrEnum):
    """What had to be done for one run."""

    COPIED = "copied"
    UPDATED = "updated"
    PRESENT = "present"


@dataclass(frozen=True)
class NotCopied:
    """A run that MLflow lacks, or has in part. ``name``: the job's."""

    run_id: str
    name: str
    reason: str


@dataclass(frozen=True)
class Tracked:
    """How many runs MLflow has now, and which it lacks.

    ``uri``: where to, without secrets. ``copied``: new ones; ``updated``: were there, and were
    replaced, because scores or files have changed; ``present``: were there as they are.
    ``notes``: what was left out of a run that was copied, in sentences. ``command`` brings it up
    to date later.
    """

    uri: str
    command: str
    copied: int = 0
    updated: int = 0
    present: int = 0
    failed: tuple[NotCopied, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether MLflow has every finished run."""
        return not self.failed

    @property
    def summary(self) -> str:
        """One line."""
        counts = (
            (self.copied, "copied"),
            (self.updated, "updated"),
            (self.present, "already there"),
            (len(self.failed), "missing"),
        )
        words = [f"{number} {word}" for number, word in counts if number]
        return f"MLflow ({self.uri}): {', '.join(words) or 'no finished runs'}"


@dataclass
class Tally:
    """What has come of it up to now."""

    done: Counter[Done] = field(default_factory=Counter)
    failed: list[NotCopied] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lost(self, runs: Sequence[Run], reason: str) -> None:
        """Count runs as not copied."""
        records = (run.record for run in runs)
        self.failed += [NotCopied(record.run_id, record.name, reason) for record in records]

    def outcome(self, uri: str, command: str) -> Tracked:
        """Return the result."""
        counts = {str(done): number for done, number in self.done.items()}
        return Tracked(uri, command, **counts, failed=tuple(self.failed), notes=tuple(self.notes))
