"""Proving that values are raw counts, and giving them their one canonical form."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from multiverse.errors import DatasetError
from multiverse.registry.rounding import Rounding

if TYPE_CHECKING:
    from multiverse.registry.matrix import Matrix

#: Above it float32 can't hold every whole number.
MAX_COUNT = 2**24


class WrongValue(Enum):
    """The kinds of values that are no raw counts; the member's value is what a message says."""

    MISSING = "is missing (NaN)"
    INFINITE = "is not a finite number"
    NEGATIVE = "is negative"
    FRACTION = "is not a whole number"
    LARGE = f"is above {MAX_COUNT:,}, more than float32 can hold exactly"


class NotCounts(Exception):
    """A matrix holds something else than raw counts. The message says what, and where."""

    def __init__(self, message: str, kind: WrongValue) -> None:
        super().__init__(message)
        self.kind = kind


def verified_counts(
    matrix: Matrix,
    rows: np.ndarray,
    columns: np.ndarray | None,
    cells: pd.Index,
    names: pd.Index,
    rounding: Rounding | None = None,
) -> Iterator[csr_array]:
    """Yield blocks of canonical counts: float32, int32, sorted, no explicit zeros or duplicates.

    Parameters
    ----------
    matrix
        Of shape (source cells, source features).
    rows
        Source rows to keep, of shape (n_cells,), strictly increasing.
    columns
        Source columns to keep, of shape (n_features,); None keeps all.
    cells, names
        Names of what is kept, for messages.
    rounding
        Rounds the values that are not whole; without it they are refused.

    Raises :class:`NotCounts` at the first value that is no raw count, :class:`DatasetError`
    where a value is stored twice.
    """
    done = 0
    for counts in selected_blocks(matrix, rows, columns):
        here = cells[done : done + counts.shape[0]]
        _check_values(counts, here, names, whole=rounding is None)
        yield _canonical(counts if rounding is None else rounding.apply(counts), here, names)
        done += counts.shape[0]


def selected_blocks(
    matrix: Matrix, rows: np.ndarray, columns: np.ndarray | None
) -> Iterator[csr_array]:
    """Yield the values of some cells and features as they are, whatever they are.

    ``rows`` (n_cells,), strictly increasing, and ``columns`` (n_features,) or None for all are
    positions in the source.
    """
    for block in matrix.blocks():
        first, last = np.searchsorted(rows, (block.start, block.start + block.counts.shape[0]))
        counts = block.counts
        if last - first < counts.shape[0]:
            counts = counts[rows[first:last] - block.start]
        if columns is not None:
            counts = counts[:, columns]
        if counts.shape[0]:
            yield counts


def _check_values(counts: csr_array, cells: pd.Index, names: pd.Index, *, whole: bool) -> None:
    values = counts.data
    if values.dtype.kind == "f":
        _refuse(counts, np.isnan(values), WrongValue.MISSING, cells, names)
        _refuse(counts, np.isinf(values), WrongValue.INFINITE, cells, names)
        _refuse(counts, values < 0, WrongValue.NEGATIVE, cells, names)
        if whole:
            _refuse(counts, values != np.floor(values), WrongValue.FRACTION, cells, names)
    elif values.dtype.kind == "i":
        _refuse(counts, values < 0, WrongValue.NEGATIVE, cells, names)
    _refuse(counts, values > MAX_COUNT, WrongValue.LARGE, cells, names)


def _refuse(
    counts: csr_array, wrong: np.ndarray, kind: WrongValue, cells: pd.Index, names: pd.Index
) -> None:
    found = np.flatnonzero(wrong)
    if not len(found):
        return
    row = int(np.searchsorted(counts.indptr, found[0], side="right")) - 1
    column = int(counts.indices[found[0]])
    overflow = ""
    if kind is WrongValue.NEGATIVE and counts.data.dtype.kind == "i":
        overflow = f" (stored as {counts.data.dtype}: a number too large for it turns negative)"
    raise NotCounts(
        f"the value {counts.data[found[0]]:g} of cell {cells[row]!r:.60}, "
        f"feature {names[column]!r:.60} {kind.value}{overflow}",
        kind,
    )


def _canonical(counts: csr_array, cells: pd.Index, names: pd.Index) -> csr_array:
    """Return a clean copy of a block, which may be part of a larger one and must not change."""
    clean = csr_array(
        (
            counts.data.astype(np.float32),
            counts.indices.astype(np.int32),
            counts.indptr.astype(np.int64),
        ),
        shape=counts.shape,
    )
    clean.sort_indices()
    twice = np.flatnonzero(np.diff(clean.indices) == 0)
    if len(twice):
        rows = np.searchsorted(clean.indptr, (twice, twice + 1), side="right")
        same = twice[rows[0] == rows[1]]
        if len(same):
            row = int(np.searchsorted(clean.indptr, same[0], side="right")) - 1
            raise DatasetError(
                f"The count of cell {cells[row]!r:.60}, feature "
                f"{names[int(clean.indices[same[0]])]!r:.60} is stored twice, and nothing says "
                "which one holds",
                remedy="If they are to be added: adata.X.sum_duplicates(), and write it again.",
            )
    clean.eliminate_zeros()
    return clean
