"""What is found in a dataset, as :func:`multiverse.inspect` returns it. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from multiverse.forecast.memory_estimate import MemoryEstimate
from multiverse.forecast.time_estimate import TimeEstimate
from multiverse.registry.column_roles import Guess, best_batches, best_labels
from multiverse.registry.options import RegistrationOptions
from multiverse.specs.dataset import DatasetRecord

#: What is said of a model that never ran here: nothing is made up.
UNKNOWN_COST = "not known yet"


@dataclass(frozen=True)
class Depth:
    """The sums of counts of the cells: smallest, quartiles, largest."""

    least: float
    lower: float
    median: float
    upper: float
    most: float

    @classmethod
    def of(cls, sums: np.ndarray) -> Depth:
        """``sums``: the sum of counts of each cell, (n_cells,), at least one."""
        return cls(*(float(value) for value in np.quantile(sums, (0, 0.25, 0.5, 0.75, 1))))

    @property
    def words(self) -> str:
        """``1,022 · 1,920 · 3,010``: the quartiles."""
        return " · ".join(f"{value:,.0f}" for value in (self.lower, self.median, self.upper))


@dataclass(frozen=True)
class Obstacle:
    """What keeps a dataset from being registered as it is, and what to do about it."""

    message: str
    remedy: str | None


@dataclass(frozen=True)
class ModalityFacts:
    """One modality in numbers, of all cells that it was measured in.

    ``counts_in`` names the matrix with the raw counts, and ``why`` says why that one; where none
    has them, ``counts_in`` and all numbers of counts are None, and ``why`` says what they hold.
    ``zeros`` is the share of zeros among cells × features.
    """

    modality: str
    old_name: str
    n_cells: int
    n_features: int
    layers: tuple[str, ...]
    why: str
    counts_in: str | None = None
    example_features: tuple[str, ...] = ()
    n_values: int | None = None
    zeros: float | None = None
    depth: Depth | None = None
    empty_cells: int | None = None
    empty_features: int | None = None


@dataclass(frozen=True)
class ModelOutlook:
    """What is to be expected of one model, with its default settings.

    ``reason`` says why it can't run on the dataset; None where it can. ``time`` and ``memory`` are
    drawn from what past runs took; None where there are none. ``cpus`` and ``memory_limit``
    (bytes) are what a job of it gets on this machine. ``warning`` says what will probably go wrong.
    """

    model: str
    version: str
    device: str
    reason: str | None
    time: TimeEstimate | None
    memory: MemoryEstimate | None
    cpus: float | None
    memory_limit: int | None
    warning: str | None

    @property
    def fits(self) -> bool:
        """Whether it can run, and nothing says that it will run out of memory."""
        return self.reason is None and self.warning is None

    @property
    def basis(self) -> str:
        """What the figures rest on, in short; or the reason why there are none."""
        if self.reason is not None:
            return self.reason
        if self.time is not None:
            return self.time.seen
        return f"no run of {self.model} yet" if self.memory is None else self.memory.words


@dataclass(frozen=True)
class OtherCommand:
    """Another command that would work, and what it does otherwise."""

    words: str
    command: str


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """What is in a source.

    ``n_cells`` counts the cells, those that lack a modality included (``lacking``: modality → how
    many). ``columns`` are those of ``obs``, each with a guess of what it holds; a guess is a
    suggestion, and nothing is ever applied by itself: ``batch_key`` and ``label_key`` are those
    that were asked for, or registered.
    """

    n_cells: int
    modalities: tuple[ModalityFacts, ...]
    lacking: Mapping[str, int]
    columns: tuple[Guess, ...]
    batch_key: str | None
    label_key: str | None
    notes: tuple[str, ...]
    obstacles: tuple[Obstacle, ...]


@dataclass(frozen=True, kw_only=True)
class Inspection(SourceFacts):
    """What is in a dataset, and what can be done with it.

    ``source`` is the file, the slug or the kind of object. ``command`` can be pasted as it is;
    None where ``obstacles`` say what has to be mended first.
    """

    source: str
    size_bytes: int | None
    models: tuple[ModelOutlook, ...]
    command: str | None
    other_commands: tuple[OtherCommand, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Columns that look like labels and can be, the likeliest first."""
        return tuple(item.column.name for item in best_labels(self.columns))

    @property
    def batches(self) -> tuple[str, ...]:
        """Columns that look like the batch and can be; where none does, donors or samples."""
        return tuple(item.column.name for item in best_batches(self.columns))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        return {"source": self.source, "size_bytes": self.size_bytes, **asdict(self)}

    def _repr_html_(self) -> str:
        """Return tables for a notebook; every text of the dataset is escaped."""
        from multiverse.inspection.page import as_html

        return as_html(self)


@dataclass(frozen=True)
class Way:
    """One way to read the source: options under which it can be registered, and what that gives.

    ``words`` say what becomes of the cells, where not all have every modality.
    """

    options: RegistrationOptions
    record: DatasetRecord
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Findings(SourceFacts):
    """What is in a source, and how it can be read.

    ``ways``: none where an obstacle is in the way; the usual one first.
    """

    ways: tuple[Way, ...]
