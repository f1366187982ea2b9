"""Outcomes of copying runs to MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from multiverse.runs.run import Run


class Done(StrEnum):
    """The result for one run: a new copy, a completed one, or one that was there as it is."""

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
    """The number of runs that MLflow has now, and the runs that it lacks.

    ``uri``: where to, without secrets. ``copied``: new ones; ``updated``: were there, and got
    scores or files that they lacked; ``present``: were there as they are. ``notes``: what was
    left out of a run that was copied, in sentences. ``command`` brings it up to date later.
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
        """True if MLflow has every finished run."""
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
    """The results of copying up to now."""

    counts: dict[Done, int] = field(default_factory=dict)
    failed: dict[str, NotCopied] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def add(self, run: Run, done: Done) -> None:
        self.settled.add(run.record.run_id)
        self.counts[done] = self.counts.get(done, 0) + 1

    def lost(self, runs: Sequence[Run], reason: str) -> None:
        """Count as failed those of the runs that nothing is known of yet."""
        for record in (run.record for run in runs):
            if record.run_id not in self.settled:
                self.settled.add(record.run_id)
                self.failed[record.run_id] = NotCopied(record.run_id, record.name, reason)

    def outcome(self, uri: str, command: str) -> Tracked:
        return Tracked(
            uri=uri,
            command=command,
            copied=self.counts.get(Done.COPIED, 0),
            updated=self.counts.get(Done.UPDATED, 0),
            present=self.counts.get(Done.PRESENT, 0),
            failed=tuple(self.failed.values()),
            notes=tuple(self.notes),
        )
