"""Matrix Market files as CSR of cells × features, in an HDF5 file, whatever their order.

Text is parsed by pandas in chunks: :func:`scipy.io.mmread` is as fast but makes a matrix of the
whole file, and of what its header declares. Format: https://math.nist.gov/MatrixMarket/formats.html
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from multiverse.contract.hdf5 import first_line
from multiverse.errors import DatasetError

#: Entries that are in memory at a time, and bytes of text that one may take.
CHUNK_ENTRIES, _ENTRY_BYTES = 1_000_000, 128
_MAX_HEADER_LINES, _MAX_SIDE = 10_000, 2**31 - 1
_AGAIN = "Copy or download it again."


@dataclass(frozen=True)
class MatrixHeader:
    """What a Matrix Market file declares; ``pattern``: entries have places but no values."""

    rows: int
    columns: int
    entries: int
    pattern: bool

    @property
    def max_bytes(self) -> int:
        """Bytes of text that an honest file of this size has at the most."""
        return _ENTRY_BYTES * self.entries + 16 * 1024**2


def read_header(stream: io.BufferedReader[Any], path: Path) -> MatrixHeader:
    """Read banner, comments and sizes; the stream stands at the first entry then.

    Raises :class:`DatasetError` for what is no sparse matrix of real numbers.
    """
    banner = stream.readline().decode("utf-8", "replace").lower().split()
    if banner[:2] != ["%%matrixmarket", "matrix"] or len(banner) != 5:
        raise DatasetError(f"{path} is not a Matrix Market file", remedy=_AGAIN)
    if banner[2] != "coordinate" or banner[4] != "general":
        raise DatasetError(
            f"{path} is a Matrix Market file of kind '{' '.join(banner[2:])}', not a sparse matrix",
            remedy="Write it again with scipy.io.mmwrite of a sparse matrix.",
        )
    if banner[3] not in ("integer", "real", "pattern"):
        raise DatasetError(f"{path} holds {banner[3]} numbers, which are no counts")
    for _ in range(_MAX_HEADER_LINES):
        line = stream.readline()
        if not line:
            break
        if line.strip() and not line.startswith(b"%"):
            return _sizes(line, path, pattern=banner[3] == "pattern")
    raise DatasetError(f"{path} ends before its sizes are named", remedy=_AGAIN)


def _sizes(line: bytes, path: Path, *, pattern: bool) -> MatrixHeader:
    try:
        rows, columns, entries = (int(text) for text in line.split())
    except ValueError:
        rows = columns = entries = -1
    if min(rows, columns, entries) < 0 or max(rows, columns) > _MAX_SIDE:
        raise DatasetError(f"{path}: {line!r:.80} are not the sizes of a matrix", remedy=_AGAIN)
    if entries > rows * columns:
        raise DatasetError(
            f"{path} declares {entries:,} entries in a matrix of {rows:,} × {columns:,}"
        )
    return MatrixHeader(rows, columns, entries, pattern)


class EntrySpool:
    """The entries of a matrix on their way through ``scratch``, until they stand by cells."""

    def __init__(self, scratch: Path, n_cells: int) -> None:
        self._names = [scratch / f"{name}.bin" for name in ("cells", "features", "values")]
        self._files = [name.open("wb") for name in self._names]
        self.lengths = np.zeros(n_cells, dtype=np.int64)
        self.entries = 0
        self._sorted = True
        self._last = 0

    def add(self, cells: np.ndarray, features: np.ndarray, values: np.ndarray) -> None:
        """Add entries, each array of shape (n_entries,), positions from 0."""
        for file, array, kind in zip(
            self._files, (cells, features, values), (np.int32, np.int32, np.float64), strict=True
        ):
            file.write(array.astype(kind, copy=False).tobytes())
        self.lengths += np.bincount(cells, minlength=len(self.lengths))
        self.entries += len(cells)
        if len(cells):
            self._sorted &= bool(cells[0] >= self._last and (np.diff(cells) >= 0).all())
            self._last = int(cells[-1])

    def write(self, group: h5py.Group, check: Callable[[], None]) -> None:
        """Write ``data``, ``indices`` and ``indptr`` of the CSR matrix, and give the disk back."""
        for file in self._files:
            file.close()
        indptr = np.concatenate([[0], self.lengths.cumsum()]).astype(np.int64)
        group["indptr"] = indptr
        data = group.create_dataset("data", (self.entries,), np.float64)
        indices = group.create_dataset("indices", (self.entries,), np.int32)
        if not self._sorted:
            self._sort(indptr)
        for start in range(0, self.entries, CHUNK_ENTRIES):
            stop = min(start + CHUNK_ENTRIES, self.entries)
            indices[start:stop] = self._mapped(1, np.int32)[start:stop]
            data[start:stop] = self._mapped(2, np.float64)[start:stop]
            check()
        self.close()

    def _mapped(self, number: int, kind: type[np.generic]) -> np.ndarray:
        # mapped anew for each block, so that pages of earlier ones do not stay
        return np.memmap(self._names[number], dtype=kind, mode="r+", shape=(self.entries,))

    def _sort(self, indptr: np.ndarray) -> None:
        """Put the entries in the order of cells, each at the next free place of its cell."""
        free = indptr[:-1].copy()
        ordered = [name.with_suffix(".ordered") for name in self._names]
        for number, kind in ((1, np.int32), (2, np.float64)):
            with ordered[number].open("wb") as file:
                file.truncate(self.entries * np.dtype(kind).itemsize)
        for start in range(0, self.entries, CHUNK_ENTRIES):
            stop = min(start + CHUNK_ENTRIES, self.entries)
            cells = np.asarray(self._mapped(0, np.int32)[start:stop])
            order = np.argsort(cells, kind="stable")
            found, first, numbers = np.unique(cells[order], return_index=True, return_counts=True)
            rank = np.arange(stop - start) - np.repeat(first, numbers)
            places = rank + np.repeat(free[found], numbers)
            free[found] += numbers
            for which, kind in ((1, np.int32), (2, np.float64)):
                target = np.memmap(ordered[which], dtype=kind, mode="r+", shape=(self.entries,))
                target[places] = self._mapped(which, kind)[start:stop][order]
                target.flush()
        for which in (1, 2):
            ordered[which].replace(self._names[which])

    def close(self) -> None:
        """Remove the files."""
        for file, name in zip(self._files, self._names, strict=True):
            file.close()
            name.unlink(missing_ok=True)


def spool_entries(
    stream: io.BufferedReader[Any],
    path: Path,
    header: MatrixHeader,
    spool: EntrySpool,
    *,
    by_rows: bool,
) -> None:
    """Read all entries of a matrix into ``spool``. ``by_rows``: its rows are the cells.

    Raises :class:`DatasetError` for a line that is no entry, a place outside of the matrix, and
    for more or fewer entries than the header declares.
    """
    names = ["row", "column"] if header.pattern else ["row", "column", "value"]
    kinds = {"row": np.int64, "column": np.int64, "value": np.float64}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # lines with further fields
            for chunk in pd.read_csv(
                stream,
                sep=r"\s+",
                header=None,
                names=names,
                dtype={name: kinds[name] for name in names},
                chunksize=CHUNK_ENTRIES,
                index_col=False,
                na_filter=False,
                comment="%",
                engine="c",
            ):
                _add(chunk, path, header, spool, by_rows=by_rows)
    except pd.errors.EmptyDataError:
        pass
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
        number = f"after {spool.entries:,} entries"
        raise DatasetError(
            f"{path} is damaged {number}: {first_line(error)}", remedy=_AGAIN
        ) from error
    if spool.entries != header.entries:
        raise DatasetError(
            f"{path} declares {header.entries:,} entries, and holds {spool.entries:,}: it is "
            "truncated or damaged",
            remedy=_AGAIN,
        )


def _add(
    chunk: pd.DataFrame, path: Path, header: MatrixHeader, spool: EntrySpool, *, by_rows: bool
) -> None:
    if spool.entries + len(chunk) > header.entries:
        raise DatasetError(
            f"{path} declares {header.entries:,} entries, and holds more: it is damaged",
            remedy=_AGAIN,
        )
    places = {}
    for side, most in (("row", header.rows), ("column", header.columns)):
        values = chunk[side].to_numpy()
        if len(values) and (values.min() < 1 or values.max() > most):
            raise DatasetError(f"{path} has an entry in a {side} outside of 1 to {most:,}")
        places[side] = values - 1
    values = np.ones(len(chunk)) if header.pattern else chunk["value"].to_numpy()
    cells, features = ("row", "column") if by_rows else ("column", "row")
    spool.add(places[cells], places[features], values)
