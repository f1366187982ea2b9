"""The annotation of cells: label and batch of every cell, joined by name, never by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem
from numpy.typing import NDArray

from multiverse.errors import DatasetError

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class CellColumn:
    """One column of categories: ``codes`` (n_cells,) into ``names``, -1 where there is none."""

    codes: Codes
    names: tuple[str, ...]

    @classmethod
    def of(cls, values: pd.Series, left_out: Sequence[str] = ()) -> CellColumn:
        """Sort categories by name; missing values and those ``left_out`` have the code -1."""
        text = values.astype(object).where(values.notna(), None).map(_as_text)
        known = text.where(~text.isin(list(left_out)), None)
        codes, names = pd.factorize(known, sort=True)
        return cls(np.asarray(codes, dtype=np.int64), tuple(str(name) for name in names))

    @property
    def known(self) -> NDArray[np.bool_]:
        return self.codes >= 0

    @property
    def counts(self) -> dict[str, int]:
        """Return category → cells, largest first."""
        sizes = np.bincount(self.codes[self.known], minlength=len(self.names))
        order = np.argsort(-sizes, kind="stable")
        return {self.names[index]: int(sizes[index]) for index in order if sizes[index]}

    def take(self, cells: NDArray[np.intp]) -> CellColumn:
        """Return the same for the rows ``cells`` (n_taken,), without categories that none has."""
        present, codes = np.unique(self.codes[cells], return_inverse=True)
        shift = int(len(present) > 0 and present[0] < 0)
        names = tuple(self.names[code] for code in present if code >= 0)
        return CellColumn(np.asarray(codes - shift, dtype=np.int64), names)


def _as_text(value: object) -> str | None:
    return None if value is None else str(value)


@dataclass(frozen=True)
class AnswerSheet:
    """Label and batch of the cells, in the order of the dataset. None: there is no such column."""

    cells: tuple[str, ...]
    labels: CellColumn | None
    batches: CellColumn | None

    @property
    def n_cells(self) -> int:
        return len(self.cells)

    @cached_property
    def position(self) -> dict[str, int]:
        """Return cell → its row."""
        return {name: row for row, name in enumerate(self.cells)}

    def take(self, rows: NDArray[np.intp]) -> AnswerSheet:
        """Return the same for the rows ``rows`` (n_taken,)."""
        return AnswerSheet(
            tuple(self.cells[row] for row in rows),
            None if self.labels is None else self.labels.take(rows),
            None if self.batches is None else self.batches.take(rows),
        )

    @property
    def n_unlabelled(self) -> int:
        """Count cells without a label, or with one that says so; 0 where there are no labels."""
        return 0 if self.labels is None else int((~self.labels.known).sum())


def read_sheet(
    data: Path,
    labels: Path,
    *,
    batch_key: str | None,
    label_key: str | None,
    unlabelled: Sequence[str] = (),
) -> AnswerSheet:
    """Read cells and batch from the dataset, labels from the held-out file beside it.

    Raises :class:`DatasetError` where a column that was registered is not there.
    """
    with h5py.File(data, "r") as file:
        obs: pd.DataFrame = read_elem(file["obs"])
    cells = tuple(str(name) for name in obs.index)
    batches = None if batch_key is None else CellColumn.of(_column(obs, batch_key, data))
    if label_key is None:
        return AnswerSheet(cells, None, batches)
    with h5py.File(labels, "r") as file:
        table: pd.DataFrame = read_elem(file["obs"])
    table.index = table.index.astype(str)
    known = _column(table, label_key, labels).reindex(list(cells))
    return AnswerSheet(cells, CellColumn.of(known, unlabelled), batches)


def _column(table: pd.DataFrame, key: str, path: Path) -> pd.Series:
    if key not in table.columns:
        raise DatasetError(f"{path.name} has no column {key!r}")
    return table[key]
