"""The words of an inspection, the same on a terminal and in a notebook."""

from __future__ import annotations

from dataclasses import dataclass

from multiverse.forecast.extrapolate import Known
from multiverse.inspection.facts import UNKNOWN_COST, Inspection, ModalityFacts, ModelOutlook
from multiverse.inspection.keys import choice
from multiverse.registry.column_roles import Guess, Role
from multiverse.specs.quantity import format_bytes, format_seconds

_MEANT = {Known.ABOUT: "", Known.AT_LEAST: "≥ ", Known.AT_MOST: "≤ "}


@dataclass(frozen=True)
class TextTable:
    """A table of text: names of columns, rows of as many cells; ``numbers`` are columns of them."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str]


@dataclass(frozen=True)
class Wording:
    """An inspection in words, in the order in which it is shown."""

    title: str
    modalities: TextTable
    remarks: tuple[str, ...]
    columns: TextTable
    choices: tuple[str, ...]
    models: TextTable
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, found: Inspection) -> Wording:
        """Put an inspection into words."""
        return cls(
            title=_title(found),
            modalities=TextTable(
                ("modality", "cells", "features", "counts in", "zeros", "counts of a cell"),
                tuple(map(_modality_cells, found.modalities)),
                frozenset({"cells", "features", "zeros"}),
            ),
            remarks=tuple(_remarks(found)),
            columns=TextTable(
                ("column of obs", "values", "missing", "looks like", "such as"),
                tuple(map(_column_cells, found.columns)),
                frozenset({"values", "missing"}),
            ),
            choices=(
                choice(Role.LABEL, found.columns, found.label_key),
                choice(Role.BATCH, found.columns, found.batch_key),
            ),
            models=TextTable(
                ("model", "time", "memory", "of", "rests on, or why not"),
                tuple(map(_model_cells, found.models)),
                frozenset({"time", "memory", "of"}),
            ),
            warnings=tuple(
                f"{item.warning}; left out of the command" for item in found.models if item.warning
            ),
        )


def _title(found: Inspection) -> str:
    """Return ``data.h5mu: 2,872 cells, rna + adt``."""
    names = " + ".join(item.modality for item in found.modalities)
    return f"{found.source}: {found.n_cells:,} cells, {names}"


def _modality_cells(item: ModalityFacts) -> tuple[str, ...]:
    """Return a row of the table of modalities."""
    name = item.modality
    if item.old_name not in (name, "X"):
        name = f"{name} ({item.old_name})"
    return (
        name,
        f"{item.n_cells:,}",
        f"{item.n_features:,}",
        item.counts_in or "none",
        "—" if item.zeros is None else f"{item.zeros:.1%}",
        "—" if item.depth is None else item.depth.words,
    )


def _column_cells(item: Guess) -> tuple[str, ...]:
    """Return a row of the table of columns."""
    column = item.column
    numbers = item.role is Role.MEASURED and len(column.examples) == 2
    return (
        column.name,
        f"{column.n_values:,}",
        f"{column.n_missing:,}" if column.n_missing else "",
        "" if item.role is Role.GROUPS else str(item.role),
        (" … " if numbers else ", ").join(column.examples),
    )


def _model_cells(item: ModelOutlook) -> tuple[str, ...]:
    """Return a row of the table of models."""
    if item.reason is not None:
        return (item.model, "—", "—", "—", item.reason)
    time, memory = item.time, item.memory
    return (
        item.model,
        UNKNOWN_COST if time is None else f"{_MEANT[time.known]}{format_seconds(time.expected)}",
        UNKNOWN_COST
        if memory is None
        else f"{_MEANT[memory.known]}{format_bytes(memory.expected)}",
        "—" if item.memory_limit is None else format_bytes(item.memory_limit),
        item.basis,
    )


def _remarks(found: Inspection) -> list[str]:
    """Return what is to be said of modalities beside their table."""
    lines = []
    for item in found.modalities:
        if item.counts_in not in (None, "X"):
            lines.append(f"{item.modality}: {item.why}")
        for number, things in ((item.empty_cells, "cells"), (item.empty_features, "features")):
            if number:
                lines.append(f"{item.modality}: {number:,} {things} have no count")
    for name, number in found.lacking.items():
        if not found.other_commands:
            lines.append(f"{number:,} of {found.n_cells:,} cells have no {name}")
    return [*lines, *found.notes]
