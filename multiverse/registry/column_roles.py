"""Guesses which column of ``obs`` may be the batch, the label or the donor, and says why.

Nothing is ever chosen by a guess: it is shown to whoever has to choose. A guess rests on the name
*and* on what the column holds. A few values that many cells share make groups; numbers that are
hardly ever equal are measurements of a cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from multiverse.registry.column_facts import ColumnFacts, ColumnKind
from multiverse.specs.names import first_of

#: More values than these are names of cells or measurements, not groups of cells.
MOST_GROUPS = 500
#: Fewer cells a value on average make no groups; the evaluator needs as many of each label.
LEAST_CELLS = 5
#: Whole numbers of more values than these are counts.
MOST_WHOLE = 100


class Role(StrEnum):
    """What a column seems to hold."""

    BATCH = "batch"
    DONOR = "donor or sample"
    LABEL = "label"
    CLUSTERS = "clusters"
    GROUPS = "groups"
    CONSTANT = "one value"
    MEASURED = "measured"
    NAMES = "names"
    EMPTY = "empty"


@dataclass(frozen=True)
class Guess:
    """What a column seems to hold, and why.

    ``obstacle`` says why it can't be used as that as it is; None where it can.
    """

    column: ColumnFacts
    role: Role
    why: str
    obstacle: str | None = None


#: Words of a column's name. The order decides where a name has several.
_WORDS: dict[Role, str] = {
    Role.BATCH: (
        "batch batches library libraries lane channel plate chemistry technology tech protocol "
        "platform assay site center centre dataset study experiment run pool"
    ),
    Role.DONOR: (
        "donor donors patient patients individual subject participant person mouse animal sample "
        "samples sampleid donorid patientid specimen replicate"
    ),
    Role.CLUSTERS: "leiden louvain cluster clusters clustering phenograph snn seuratclusters",
    Role.LABEL: (
        "label labels annotation annotations annot subtype lineage identity class subclass "
        "population truth"
    ),
}
#: Parts of a name, written together; they decide before single words.
_PARTS: dict[Role, str] = {
    Role.LABEL: (
        "celltype celllabel cellclass cellontology cellannotation cellidentity majorityvoting "
        "predictedid predictedlabel"
    ),
    Role.BATCH: "batchid batchkey origident gemgroup libraryid",
    Role.CLUSTERS: "seuratcluster snnres",
}
#: Words that tell of a measurement, whatever stands beside them.
_MEASURES = (
    "age size score scores prob probability confidence count counts depth pct percent umap "
    "pseudotime entropy"
)
#: Columns of these hold groups of cells, of one kind or another.
_GROUPING = (Role.BATCH, Role.DONOR, Role.LABEL, Role.CLUSTERS, Role.GROUPS)
#: More columns than these help nobody to choose.
MOST_OFFERED = 12
#: More names than these are not listed.
MOST_NAMED = 50
#: The names by which labels are called most plainly.
_PLAINEST = ("celltype", "celltypes")


def guess(column: ColumnFacts) -> Guess:
    """Return what a column seems to hold."""
    content = _by_content(column)
    if content is not None:
        return content
    size = f"{column.n_values:,} values, {column.n_present / column.n_values:,.0f} cells each"
    role = _by_name(column.name)
    if role is Role.CLUSTERS and column.kind is ColumnKind.TEXT and not _is_numbered(column):
        role = Role.LABEL
    if role is None:
        return Guess(column, Role.GROUPS, f"{size}; the name does not say of what")
    if role is Role.CLUSTERS:
        why = f"{size}; made from the data themselves, so no truth to score against"
        return Guess(column, role, why)
    return Guess(column, role, f"its name, and {size}", _obstacle(column, role))


def guesses(columns: Iterable[ColumnFacts]) -> tuple[Guess, ...]:
    """Return what each column seems to hold, in the same order."""
    return tuple(map(guess, columns))


def best_labels(found: Sequence[Guess]) -> list[Guess]:
    """Return the columns that look like labels and can be, the plainest first."""
    fit = [item for item in found if item.role is Role.LABEL and item.obstacle is None]
    return sorted(
        fit, key=lambda item: (_joined(item.column.name) not in _PLAINEST, item.column.n_missing)
    )


def label_columns(columns: Iterable[ColumnFacts]) -> dict[str, int]:
    """Return the columns that could be labels with the number of their groups, plainest first."""
    fit = best_labels(guesses(columns))
    return {item.column.name: item.column.n_values for item in fit[:MOST_OFFERED]}


def best_batches(found: Sequence[Guess]) -> list[Guess]:
    """Return the columns that look like the batch and can be; where none does, donors."""
    for role in (Role.BATCH, Role.DONOR):
        fit = [item for item in found if item.role is role and item.obstacle is None]
        if fit:
            return fit
    return []


def _by_content(column: ColumnFacts) -> Guess | None:
    """Return what can be said without the name; None for groups of cells."""
    if column.kind is ColumnKind.EMPTY:
        return Guess(column, Role.EMPTY, "no cell has a value")
    if column.n_values == 1:
        return Guess(column, Role.CONSTANT, "all cells have the same value")
    few = column.n_present < LEAST_CELLS * column.n_values or column.n_values > MOST_GROUPS
    if column.kind is ColumnKind.NUMBERS or (
        column.kind is ColumnKind.WHOLE and (few or column.n_values > MOST_WHOLE)
    ):
        return Guess(column, Role.MEASURED, f"{column.kind} measured of each cell")
    if few:
        return Guess(column, Role.NAMES, "too many values for groups of cells")
    return None


def _by_name(name: str) -> Role | None:
    words, joined = _split(name), _joined(name)
    if words & set(_MEASURES.split()):
        return None
    for role, parts in _PARTS.items():
        if any(part in joined for part in parts.split()):
            return role
    for role, known in _WORDS.items():
        if words & set(known.split()):
            return role
    return None


def _split(name: str) -> set[str]:
    """Return the words of a name: of ``rna:sampleID_2`` these are rna, sample, id."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.split(r"[^a-z]+", apart.lower())
    return {word for word in words if word}


def _joined(name: str) -> str:
    """Return the letters of a name, without the modality that it is of."""
    plain = name.partition(":")[2] or name
    return re.sub(r"[^a-z]", "", plain.lower())


def _is_numbered(column: ColumnFacts) -> bool:
    return all(value.lstrip("-").isdigit() for value in column.examples)


def _obstacle(column: ColumnFacts, role: Role) -> str | None:
    if role in (Role.BATCH, Role.DONOR) and column.n_missing:
        return f"{column.n_missing:,} cells have no value, and each needs a batch"
    return None


def offer(columns: Sequence[ColumnFacts], role: Role) -> str:
    """Return the next step of whoever needs a column for the batch or the label.

    It names those that may be taken, the likeliest first.
    """
    found = guesses(columns)
    best = best_labels(found) if role is Role.LABEL else best_batches(found)
    groups = [item for item in found if item not in best and item.role in _GROUPING]
    shown = [*best, *groups][:MOST_OFFERED]
    if not shown:
        names = first_of([f"{item.column.name:.60}" for item in found], MOST_NAMED)
        return f"None of the {len(columns)} columns holds groups of cells: {names}"
    others = [f"{item.column.name:.60}" for item in found if item not in shown]
    more = ""
    if len(others) > MOST_OFFERED:
        more = f"; and {len(others):,} more"
    elif others:
        more = f"; the others are {', '.join(others)}"
    names = ", ".join(item.column.words for item in shown)
    return f"Name a column with groups of cells: {names}{more}"
