"""Columns of ``obs`` in numbers: how many values each has, of how many cells, and some of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from multiverse.registry.as_text import as_text

#: So many values of a column are shown, of at most so many characters.
SHOWN_VALUES, SHOWN_CHARACTERS = 3, 40


class ColumnKind(StrEnum):
    """The kind of a column's values."""

    TEXT = "text"
    YES_NO = "yes/no"
    WHOLE = "whole numbers"
    NUMBERS = "numbers"
    EMPTY = "empty"


@dataclass(frozen=True)
class ColumnFacts:
    """One column in numbers.

    ``n_values`` counts its distinct values, ``n_missing`` the cells without one. ``rarest`` is
    the number of cells of its rarest value. ``examples`` are its most frequent values, as text;
    of numbers that are hardly ever equal the smallest and the largest.
    """

    name: str
    kind: ColumnKind
    n_cells: int
    n_values: int
    n_missing: int
    rarest: int
    examples: tuple[str, ...]

    @property
    def n_present(self) -> int:
        """Cells that have a value."""
        return self.n_cells - self.n_missing

    @property
    def words(self) -> str:
        """``cell_type (12 values)``."""
        return f"{self.name!s:.60} ({self.n_values:,} value{'' if self.n_values == 1 else 's'})"


def describe_columns(table: pd.DataFrame) -> tuple[ColumnFacts, ...]:
    """Return the facts of each column of a table of cells × columns, in its order."""
    return tuple(describe_column(str(name), values) for name, values in table.items())


def describe_column(name: str, values: pd.Series) -> ColumnFacts:
    """Return the facts of one column, of shape (n_cells,)."""
    values = values.infer_objects()
    if values.dtype == object:  # may hold what can't be compared or hashed
        values = as_text(values)
    numbers = values.value_counts(dropna=True)
    numbers = numbers[numbers > 0]
    kind = _kind(values, numbers.index)
    return ColumnFacts(
        name=name,
        kind=kind,
        n_cells=len(values),
        n_values=len(numbers),
        n_missing=int(values.isna().sum()),
        rarest=int(numbers.min()) if len(numbers) else 0,
        examples=_examples(kind, numbers),
    )


def _kind(values: pd.Series, present: pd.Index) -> ColumnKind:
    if not len(present):
        return ColumnKind.EMPTY
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return ColumnKind.YES_NO
    if pd.api.types.is_integer_dtype(dtype):
        return ColumnKind.WHOLE
    if pd.api.types.is_float_dtype(dtype):
        numbers = np.asarray(present, dtype=np.float64)
        whole = np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()
        return ColumnKind.WHOLE if whole else ColumnKind.NUMBERS
    return ColumnKind.TEXT


def _examples(kind: ColumnKind, numbers: pd.Series) -> tuple[str, ...]:
    """``numbers``: cells of each value, the most frequent first."""
    if kind in (ColumnKind.WHOLE, ColumnKind.NUMBERS) and len(numbers) > SHOWN_VALUES:
        found = np.asarray(numbers.index, dtype=np.float64)
        return (f"{found.min():g}", f"{found.max():g}")
    text = as_text(pd.Series(numbers.index[:SHOWN_VALUES], dtype=object))
    return tuple(f"{value!s:.{SHOWN_CHARACTERS}}" for value in text)
