"""Matrices of a source file as blocks of rows, so that none is ever loaded whole.

What anndata writes is read: CSR and dense matrices by blocks of rows. A CSC matrix is ordered
by features, so that a block of cells would need all of it: it is loaded, one modality at a time
(16 bytes a value at the most).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import h5py
import numpy as np
from scipy.sparse import csc_array, csr_array

from multiverse.registry.hdf5 import Hdf5

#: Values in one block; 12 bytes each as CSR.
BLOCK_VALUES = 1_000_000
_NUMBERS = "iufb"


@dataclass(frozen=True)
class Block:
    """Consecutive cells: row ``start`` and the following."""

    start: int
    counts: csr_array


class Matrix(Protocol):
    """Cells × features, in the order of the source."""

    def blocks(self) -> Iterator[Block]: ...


def open_matrix(source: Hdf5, node: h5py.Group | h5py.Dataset, shape: tuple[int, int]) -> Matrix:
    """Open the matrix stored in ``node``, whose shape must be that of ``obs`` and ``var``.

    Raises :class:`DatasetError` where it has another shape, no numbers or an unknown format.
    """
    if isinstance(node, h5py.Dataset):
        _check_shape(source, node, node.shape, shape)
        _check_numbers(source, node)
        return DenseMatrix(source, node)
    kind = source.attribute(node, "encoding-type", "h5sparse_format")
    declared = source.attribute(node, "shape", "h5sparse_shape")
    if kind not in ("csr_matrix", "csr", "csc_matrix", "csc") or declared is None:
        raise source.error(f"{node.name} is neither a dense, a CSR nor a CSC matrix")
    _check_shape(source, node, tuple(np.asarray(declared).ravel().tolist()), shape)
    if kind.startswith("csr"):
        return CsrMatrix(CompressedParts(source, node, shape[0]), shape)
    return CscMatrix(CompressedParts(source, node, shape[1]), shape)


class DenseMatrix:
    """An array of cells × features; blocks follow the chunks that it is stored in."""

    def __init__(self, source: Hdf5, dataset: h5py.Dataset) -> None:
        self._source = source
        self._dataset = dataset

    def blocks(self) -> Iterator[Block]:
        n_obs, n_vars = self._dataset.shape
        rows = max(1, BLOCK_VALUES // max(n_vars, 1))
        chunk = self._dataset.chunks[0] if self._dataset.chunks else 1
        if chunk <= 4 * rows:
            rows = max(chunk, rows - rows % chunk)
        for start in range(0, n_obs, rows):
            values = _read(self._source, self._dataset, start, min(start + rows, n_obs))
            yield Block(start, csr_array(_plain(values)))


class CompressedParts:
    """The three arrays of a compressed matrix; ``indptr`` is loaded and proved consistent."""

    def __init__(self, source: Hdf5, group: h5py.Group, n_major: int) -> None:
        self.source = source
        self.name = group.name
        self.data = source.array(group, "data")
        self.indices = source.array(group, "indices")
        _check_numbers(source, self.data)
        pointer = source.array(group, "indptr")
        if pointer.shape != (n_major + 1,):
            raise source.error(f"{pointer.name} has shape {pointer.shape}, not ({n_major + 1:,},)")
        for array in (pointer, self.indices):
            if array.dtype.kind not in "iu":
                raise source.error(f"{array.name} holds {array.dtype}, not integers")
        self.indptr = source.load(pointer).astype(np.int64)
        self._check_pointer()

    def _check_pointer(self) -> None:
        length = self.data.shape[0] if self.data.ndim == 1 else -1
        if self.data.ndim != 1 or self.indices.shape != self.data.shape:
            raise self.source.error(f"{self.name}: data and indices differ in length")
        if self.indptr[0] != 0 or self.indptr[-1] != length or (np.diff(self.indptr) < 0).any():
            raise self.source.error(
                f"{self.name}/indptr is not a rising sequence from 0 to {length:,}"
            )

    def read(self, start: int, stop: int, n_minor: int) -> tuple[np.ndarray, np.ndarray]:
        """Return values and checked indices between two positions."""
        data = _plain(_read(self.source, self.data, start, stop))
        indices = _read(self.source, self.indices, start, stop)
        if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= n_minor):
            raise self.source.error(
                f"{self.name}/indices has a value outside of 0 to {n_minor - 1:,}"
            )
        return data, indices.astype(np.int32 if n_minor < 2**31 else np.int64)

    def check_fullness(self, n_minor: int) -> None:
        """Check that no row holds more values than there are columns: a block stays small."""
        longest = int(np.diff(self.indptr).max(initial=0))
        if longest > n_minor:
            raise self.source.error(
                f"{self.name} stores {longest:,} values in a line of {n_minor:,}: some are "
                "stored twice"
            )


class CsrMatrix:
    """Values cell by cell."""

    def __init__(self, parts: CompressedParts, shape: tuple[int, int]) -> None:
        self._parts = parts
        self._shape = shape
        parts.check_fullness(shape[1])

    def blocks(self) -> Iterator[Block]:
        indptr, (n_obs, n_vars) = self._parts.indptr, self._shape
        start = 0
        while start < n_obs:
            reach = np.searchsorted(indptr, indptr[start] + BLOCK_VALUES, side="right") - 1
            stop = min(max(int(reach), start + 1), start + BLOCK_VALUES, n_obs)
            data, indices = self._parts.read(int(indptr[start]), int(indptr[stop]), n_vars)
            local = indptr[start : stop + 1] - indptr[start]
            counts = csr_array((data, indices, local), shape=(stop - start, n_vars))
            yield Block(start, counts)
            start = stop


class CscMatrix:
    """Values feature by feature: loaded whole."""

    def __init__(self, parts: CompressedParts, shape: tuple[int, int]) -> None:
        self._parts = parts
        self._shape = shape
        parts.check_fullness(shape[0])
        parts.source.check_size(parts.data)
        parts.source.check_size(parts.indices)

    def blocks(self) -> Iterator[Block]:
        data, indices = self._parts.read(0, int(self._parts.indptr[-1]), self._shape[0])
        counts = csc_array((data, indices, self._parts.indptr), shape=self._shape).tocsr()
        del data, indices
        rows = max(1, self._shape[0] * BLOCK_VALUES // max(counts.nnz, 1))
        for start in range(0, self._shape[0], rows):
            yield Block(start, counts[start : start + rows])


def _read(source: Hdf5, dataset: h5py.Dataset, start: int, stop: int) -> np.ndarray:
    with source.reading(dataset.name):
        return np.asarray(dataset[start:stop])


def _plain(values: np.ndarray) -> np.ndarray:
    """Return values of a type that scipy's routines know: not half floats, not booleans."""
    if values.dtype.kind == "b" or values.dtype == np.float16:
        return values.astype(np.float32)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _check_numbers(source: Hdf5, dataset: h5py.Dataset) -> None:
    if dataset.dtype.kind not in _NUMBERS:
        raise source.error(f"{dataset.name} holds {dataset.dtype}, not numbers")
    if dataset.size and not dataset.id.get_storage_size():
        raise source.error(f"{dataset.name} declares {dataset.size:,} values, none is stored")


def _check_shape(
    source: Hdf5,
    node: h5py.Group | h5py.Dataset,
    found: tuple[int, ...],
    expected: tuple[int, int],
) -> None:
    if tuple(found) != expected:
        raise source.error(
            f"{node.name} has shape {tuple(found)}, but there are {expected[0]:,} cells and "
            f"{expected[1]:,} features"
        )
