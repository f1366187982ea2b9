"""Writing matrices of objects in memory to HDF5, block by block, whatever holds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from scipy import sparse

from multiverse.errors import DatasetError

#: Values of a dense block, and rows of any.
BLOCK_VALUES, MOST_ROWS = 4_000_000, 20_000
_GROWING = {"maxshape": (None,), "chunks": (64 * 1024,)}
#: Returns rows from ``start`` to ``stop`` of a matrix, dense or sparse.
Rows = Callable[[int, int], Any]


def write_matrix(
    group: h5py.Group, name: str, rows: Rows, shape: tuple[int, int], held: Any = None
) -> None:
    """Write a matrix by blocks of its rows, with its type of values.

    ``held``: the matrix itself where it is in memory: what is ordered by columns is written so,
    as rows of it take long to gather. Raises :class:`DatasetError` where it holds no numbers.
    """
    if _is_sparse(held) and held.format == "csc":
        _write_csc(group, name, held)
        return
    first = _plain(rows(0, min(1, shape[0])), name)
    if _is_sparse(first):
        _write_csr(group, name, rows, shape, first.dtype)
        return
    dataset = group.create_dataset(name, shape, first.dtype)
    step = max(1, BLOCK_VALUES // max(shape[1], 1))
    for start in range(0, shape[0], step):
        stop = min(start + step, shape[0])
        dataset[start:stop] = _plain(rows(start, stop), name)


def _write_csc(group: h5py.Group, name: str, matrix: Any) -> None:
    _check_numbers(matrix.dtype, name)
    place = _compressed(group, name, "csc_matrix", matrix.shape)
    for part in ("data", "indices", "indptr"):
        place.create_dataset(part, data=getattr(matrix, part))


def _write_csr(
    group: h5py.Group, name: str, rows: Rows, shape: tuple[int, int], dtype: np.dtype
) -> None:
    place = _compressed(group, name, "csr_matrix", shape)
    data = place.create_dataset("data", (0,), dtype, **_GROWING)
    indices = place.create_dataset("indices", (0,), np.int64, **_GROWING)
    lengths = [np.zeros(1, dtype=np.int64)]
    done = 0
    for start in range(0, shape[0], MOST_ROWS):
        block = sparse.csr_array(_plain(rows(start, min(start + MOST_ROWS, shape[0])), name))
        for dataset, values in ((data, block.data), (indices, block.indices)):
            dataset.resize((done + len(values),))
            dataset[done:] = values
        done += len(block.data)
        lengths.append(np.diff(block.indptr).astype(np.int64))
    place.create_dataset("indptr", data=np.concatenate(lengths).cumsum())


def _compressed(group: h5py.Group, name: str, kind: str, shape: tuple[int, ...]) -> h5py.Group:
    place = group.create_group(name)
    place.attrs.update({"encoding-type": kind, "encoding-version": "0.1.0"})
    place.attrs["shape"] = np.array(shape, dtype=np.int64)
    return place


def _plain(block: Any, name: str) -> Any:
    """Return a block as numpy or scipy has it: computed, on this machine, of numbers."""
    if hasattr(block, "compute"):
        block = block.compute()
    if not _is_sparse(block) and hasattr(block, "get"):  # of a GPU
        block = block.get()
    if _is_sparse(block):
        _check_numbers(block.dtype, name)
        return block
    if isinstance(block, np.ma.MaskedArray):
        block = np.ma.filled(block.astype(np.float64), np.nan)
    found = np.asarray(block)
    if found.dtype == object:
        try:
            found = found.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DatasetError(f"{name} of the object holds no numbers: {error}") from error
    _check_numbers(found.dtype, name)
    return found


def _is_sparse(block: Any) -> bool:
    return bool(sparse.issparse(block))


def _check_numbers(dtype: np.dtype, name: str) -> None:
    if dtype.kind not in "iufb":
        raise DatasetError(f"{name} of the object holds {dtype}, not numbers")
