"""What is said of columns that may be the batch or the label, to whoever has to choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multiverse.registry.column_roles import (
    Guess,
    Role,
    best_batches,
    best_labels,
    label_columns,
)
from multiverse.registry.label_advice import groups_advice, label_advice
from multiverse.specs.names import first_of

#: What a column is needed for.
NEEDED_FOR = {
    Role.LABEL: "scores of biology need one",
    Role.BATCH: "scores of batch mixing need one, and no model corrects for it",
}
#: Of groups whose names say nothing so many are named, of columns that fit so many.
MOST_NAMED = 4


@dataclass(frozen=True)
class KeyAdvice:
    """What is said of a dataset without a batch or a label column, line by line.

    ``command`` registers the file again with the columns that look like them; None where none does.
    """

    lines: tuple[str, ...]
    command: str | None


def choice(role: Role, columns: Sequence[Guess], chosen: str | None = None) -> str:
    """Return a line on the batch or the label: what was chosen, or what looks like it and why.

    ``role`` is that of labels or of the batch.
    """
    if chosen is not None:
        return f"the {role}: {chosen:.60}"
    fit = best_labels(columns) if role is Role.LABEL else best_batches(columns)
    if not fit:
        return missing(role, columns)
    first, *others = fit
    kind = f", a {first.role}," if first.role is not role else ""
    line = f"looks like the {role}: {first.column.name:.60}{kind} ({first.why})"
    names = ", ".join(item.column.words for item in others[:MOST_NAMED])
    return f"{line}; also {names}" if names else line


def missing(role: Role, columns: Sequence[Guess]) -> str:
    """Return a line on the lack of a batch or a label, with the columns that may be it."""
    if role is Role.LABEL:
        return _without_labels(columns)
    line = f"no {role} column: {NEEDED_FOR[role]}"
    fit = best_batches(columns)
    if fit:
        return f"{line}; {_named('columns that look like one', fit)}"
    unfit = [item for item in columns if item.role is role and item.obstacle is not None]
    if unfit:
        return f"{line}; {unfit[0].column.name:.60} can't be it: {unfit[0].obstacle}"
    groups = [item for item in columns if item.role in (Role.GROUPS, Role.CLUSTERS)]
    if groups:
        return f"{line}; none looks like one; {_named('columns with groups of cells', groups)}"
    return f"{line}; none looks like one"


def _without_labels(columns: Sequence[Guess]) -> str:
    fit = label_columns(item.column for item in columns)
    groups = [item.column for item in columns if item.role in (Role.GROUPS, Role.CLUSTERS)]
    if not fit and groups:
        return groups_advice({column.name: column.n_values for column in groups})
    return label_advice(fit)


def _named(words: str, found: Sequence[Guess]) -> str:
    return f"{words}: {first_of([item.column.words for item in found], MOST_NAMED)}"
