"""``embeddings.h5``: the latent space and the names of its cells, read without trust.

Only in a process made for it, see :mod:`multiverse.contract.examiner`: a broken file can crash the
HDF5 library, make it ask for more memory than there is, or keep it busy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from multiverse.contract.finding import FindingKind
from multiverse.contract.hdf5 import HDF5_ERRORS, opened, opened_descriptor

if TYPE_CHECKING:
    import h5py

MIB = 1024**2
MAX_DIMENSIONS = 10_000
#: Half, single and double precision, in either byte order: others' readers know no more.
FLOAT_BYTES = (2, 4, 8)
#: Values are read in blocks of about this many bytes, however many are declared.
BLOCK_BYTES = 32 * MIB
#: Chunks beside each other are read together as far as they take no more than this.
BAND_BYTES = 256 * MIB
#: Bytes of one fixed-length cell name.
MAX_NAME_BYTES = 4096

Found = list[tuple[FindingKind, str]]


def check_embeddings(source: Path | int, names: Sequence[str]) -> Found:
    """Return everything wrong with the file, for the cells of these names; empty means nothing.

    ``source``: its path, or a descriptor of it.

    Every node of it is checked before a value is read. Raises MemoryError where it asks for too
    much.
    """
    try:
        with opened_descriptor(source) if isinstance(source, int) else opened(source) as file:
            return [*_judge_latent(file, len(names)), *_judge_names(file, names)]
    except HDF5_ERRORS as error:
        return [(FindingKind.UNREADABLE, f"can't be read as HDF5: {error}")]


def _dataset(file: h5py.File, name: str) -> h5py.Dataset | str:
    """Return the dataset of that name, or why there is none."""
    import h5py

    found = file.get(name)
    if found is None:
        return f"has no dataset '{name}'"
    return found if isinstance(found, h5py.Dataset) else f"'{name}' is not a dataset"


def _judge_latent(file: h5py.File, n_cells: int) -> Found:
    dataset = _dataset(file, "latent")
    if isinstance(dataset, str):
        return [(FindingKind.MISSING, dataset)]
    if dataset.ndim != 2:
        return [(FindingKind.WRONG_SHAPE, f"'latent' has {dataset.ndim} dimensions, not 2")]
    found: Found = []
    if dataset.dtype.kind != "f" or dataset.dtype.itemsize not in FLOAT_BYTES:
        message = f"'latent' is {dataset.dtype}, not a float of 16, 32 or 64 bits"
        found.append((FindingKind.WRONG_TYPE, message))
    rows, columns = dataset.shape
    if rows != n_cells:
        found.append((FindingKind.WRONG_SHAPE, f"'latent' has {rows:,} rows for {n_cells:,} cells"))
    if not 1 <= columns <= MAX_DIMENSIONS:
        found.append(
            (FindingKind.WRONG_SHAPE, f"'latent' has {columns:,} columns (1 to {MAX_DIMENSIONS:,})")
        )
    return found or _judge_values(dataset)


def _judge_values(dataset: h5py.Dataset) -> Found:
    """Check that values are finite, and not the same everywhere; a block at a time."""
    import numpy as np

    bad = np.zeros(len(dataset), dtype=bool)
    first = dataset[0]
    constant = True
    for rows, columns in _blocks(dataset):
        block = dataset[rows, columns]
        bad[rows] |= ~np.isfinite(block).all(axis=1)
        constant = constant and bool(np.all(block == first[columns]))
    if bad.any():
        message = f"'latent' has NaN or infinite values in {bad.sum():,} of {len(bad):,} cells"
        return [(FindingKind.NOT_FINITE, f"{message}, first in row {bad.argmax()}")]
    if len(bad) > 1 and constant:
        return [(FindingKind.CONSTANT, "'latent' is the same for every cell")]
    return []


def _blocks(dataset: h5py.Dataset) -> Iterator[tuple[slice, slice]]:
    """Yield rows and columns of blocks that together are the whole; no chunk is in two of them.

    A chunk is unpacked as a whole each time that a part of it is read.
    """
    n_rows, n_columns = dataset.shape
    high, wide = dataset.chunks or (1, 1)
    high, wide = min(high, n_rows), min(wide, n_columns)
    size = dataset.dtype.itemsize
    if high * n_columns * size <= BAND_BYTES:
        wide = n_columns
    step = high * max(1, BLOCK_BYTES // (high * wide * size))
    for row in range(0, n_rows, step):
        for column in range(0, n_columns, wide):
            yield slice(row, min(row + step, n_rows)), slice(column, min(column + wide, n_columns))


def _judge_names(file: h5py.File, expected: Sequence[str]) -> Found:
    import h5py

    dataset = _dataset(file, "obs_names")
    if isinstance(dataset, str):
        return [(FindingKind.MISSING, dataset)]
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.ndim != 1 or not is_text or dataset.dtype.itemsize > MAX_NAME_BYTES:
        return [(FindingKind.WRONG_TYPE, "'obs_names' is not a list of strings")]
    if len(dataset) != len(expected):
        return [
            (
                FindingKind.WRONG_CELLS,
                f"'obs_names' has {len(dataset):,} names for {len(expected):,} cells",
            )
        ]
    return _compare_names(_names(dataset), expected)


def _names(dataset: h5py.Dataset) -> list[str]:
    """Return the names that were written, each cut to a length that no honest name has."""
    (high,) = dataset.chunks or (1,)
    step = high * max(1, BLOCK_BYTES // MAX_NAME_BYTES // high)  # no chunk is unpacked twice
    return [
        (name.decode(errors="replace") if isinstance(name, bytes) else str(name))[:MAX_NAME_BYTES]
        for start in range(0, len(dataset), step)
        for name in dataset[start : start + step]
    ]


def _compare_names(written: Sequence[str], expected: Sequence[str]) -> Found:
    if list(written) == list(expected):
        return []
    unknown = set(written) - set(expected)
    if unknown:
        return [
            (
                FindingKind.WRONG_CELLS,
                f"'obs_names' has {len(unknown):,} names that are no cells of the input, "
                f"such as {min(unknown)!r:.60}",
            )
        ]
    if len(set(written)) != len(written):
        return [(FindingKind.WRONG_CELLS, "'obs_names' names some cells more than once")]
    row = next(i for i, (a, b) in enumerate(zip(written, expected, strict=True)) if a != b)
    return [
        (
            FindingKind.WRONG_ORDER,
            f"'obs_names' has the right cells in another order than the input, from row {row} on",
        )
    ]
