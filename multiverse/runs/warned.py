"""The warnings of runs: one mark beside a model's name wherever it is compared, and the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multiverse.runs.record import RunRecord
from multiverse.specs.names import first_of, sentence

MARK = "⚠"
#: Seeds that are named one by one.
NAMED_SEEDS = 6


@dataclass(frozen=True)
class RunWarnings:
    """The warnings of the runs of one configuration.

    ``mark``: follows the model's name; empty where no run warned. ``words``: a sentence each, of
    several runs with the seeds that it holds for. They are the model's own words: harmless text
    only behind what makes it so.
    """

    words: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        return MARK if self.words else ""

    def beside(self, name: str) -> str:
        """Return a name with the mark, if there is one."""
        return f"{name} {MARK}" if self.words else name


def warnings_of(records: Sequence[RunRecord]) -> RunWarnings:
    """Return the warnings of runs that differ in their seed only, each once."""
    seeds: dict[str, list[str]] = {}
    for record in sorted(records, key=lambda record: record.seed):
        for warning in dict.fromkeys(record.warnings):
            seeds.setdefault(warning, []).append(str(record.seed))
    return RunWarnings(
        tuple(
            f"{_of_seeds(found, len(records))}{sentence(warning)}"
            for warning, found in seeds.items()
        )
    )


def _of_seeds(seeds: Sequence[str], runs: int) -> str:
    if runs == 1:
        return ""
    if len(seeds) == runs:
        return f"All {runs:,} seeds: "
    return f"Seed{'s' if len(seeds) > 1 else ''} {first_of(seeds, NAMED_SEEDS)}: "
