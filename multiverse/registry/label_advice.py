"""Says which columns of a dataset could be its labels, where none were given."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from multiverse.specs.names import first_of

#: So many columns are named.
MOST_NAMED = 6
MOST_CHARACTERS = 60


def label_advice(columns: Mapping[str, int]) -> str:
    """Return why biology can't be scored, and the option that would use a column as labels.

    ``columns``: those that look like labels with the number of their groups, the likeliest first.
    """
    lack = "No labels were given, so biology can't be scored."
    known = {name: number for name, number in columns.items() if name.isprintable()}
    if not known:
        return f"{lack} No column looks like labels."
    shown = first_of([_with_groups(*item) for item in known.items()], MOST_NAMED)
    first = shlex.quote(next(iter(known)))
    return f"{lack} Columns that could be labels: {shown}. Use one: --label-key {first}"


def groups_advice(columns: Mapping[str, int]) -> str:
    """Return the same where no column looks like labels, but some hold groups of cells."""
    shown = first_of([_with_groups(*item) for item in columns.items()], MOST_NAMED)
    groups = f"Groups of cells are in {shown}; if one holds labels: --label-key COLUMN"
    return f"{label_advice({})} {groups}"


def _with_groups(name: str, number: int) -> str:
    return f"{name:.{MOST_CHARACTERS}} ({number:,} group{'' if number == 1 else 's'})"
