"""Chunks that a zarr store lacks: left out by its writer, or lost on the way.

A chunk that is not stored means the fill value (0, or the empty text). Writers leave such chunks
out: zarr 3 by default (``array.write_empty_chunks`` is off), and anndata, which sets nothing else,
with it. So columns of zeros, codes of a single category and empty parts of dense matrices may lack
chunks, which nobody can tell from a copy that broke off. Some arrays can't consist of fill values:
values and feature numbers of a sparse matrix, its pointers once one is above 0, names, and
categories, which all differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

#: So many arrays that lack chunks are named.
MOST_ARRAYS = 10
_SPARSE = {"csr": 1, "csr_matrix": 1, "csc": 0, "csc_matrix": 0}


class SeenChunks:
    """The chunks of an array that are stored, counted while they are read.

    ``chunks``: the sides of a chunk, within a shard where there are shards.
    """

    def __init__(self, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        self.shape = shape
        self.side = chunks[0] if chunks else 1
        pairs = zip(shape, chunks, strict=True)
        self.total: int = math.prod(-(-side // chunk) for side, chunk in pairs)
        self._number = 0
        self._places: set[int] = set()

    def add(self, start: tuple[int, ...]) -> None:
        """Count the chunk that begins at ``start``; what lies beyond the array is padding."""
        if all(first < side for first, side in zip(start, self.shape, strict=True)):
            self._number += 1
            if len(start) == 1:
                self._places.add(start[0] // self.side)

    @property
    def missing(self) -> int:
        """The number of chunks that are not stored."""
        return self.total - self._number

    def first_gap(self) -> int:
        """Return the place of the first chunk that is not stored, of an array with one axis."""
        return next(i for i in range(len(self._places) + 1) if i not in self._places)

    def first_stored(self) -> int:
        """Return the place of the first chunk that is stored, of an array with one axis."""
        return min(self._places, default=self.total)

    def values_in(self, place: int) -> int:
        """Return how many values of the array are in a chunk."""
        return min(self.side, self.shape[0] - place * self.side)


def lost_chunk(file: h5py.File, name: str, seen: SeenChunks) -> int | None:
    """Return the place of a chunk that no writer leaves out; None where there may be none.

    ``file`` holds the array ``name``, what stands before it in the order of names, and the
    attributes of the group that it is in.
    """
    if len(seen.shape) != 1 or not seen.missing:
        return None
    parent, _, leaf = name.rpartition("/")
    attributes = dict(file[parent or "/"].attrs)
    gap = seen.first_gap()
    several = seen.values_in(gap) > 1
    encoding = _text(attributes, "encoding-type") or _text(attributes, "h5sparse_format")
    axis = _SPARSE.get(encoding or "")
    if axis is not None and leaf in ("data", "indices", "indptr"):
        number = _features(attributes, axis)
        if leaf == "indptr":
            lost = _lacks_pointers(file, parent, name, seen, number)
        else:
            lost = leaf == "data" or (several and number != 1)
    elif leaf == _text(attributes, "_index"):
        lost = several or h5py.check_string_dtype(file[name].dtype) is not None
    else:
        lost = several and (leaf == "categories" or "__categories" in parent.split("/"))
    return gap if lost else None


def note_of_gaps(gaps: Mapping[str, SeenChunks]) -> tuple[str, ...]:
    """Return a note on the arrays that lack chunks and may do so, or none."""
    if not gaps:
        return ()
    named = [
        f"{seen.missing:,} of {seen.total:,} of {name!r:.80}"
        for name, seen in [*gaps.items()][:MOST_ARRAYS]
    ]
    more = f" and of {len(gaps) - MOST_ARRAYS:,} more arrays" if len(gaps) > MOST_ARRAYS else ""
    return (
        f"chunks that the store lacks were read as 0 (empty for text): {', '.join(named)}{more}; "
        "zarr leaves out chunks that hold nothing else, but so does a copy that broke off",
    )


def _lacks_pointers(
    file: h5py.File, parent: str, name: str, seen: SeenChunks, number: int | None
) -> bool:
    """Return whether pointers are lost: they never fall, so that only the first can all be 0."""
    stored = seen.first_stored()
    if stored != seen.missing:
        return True
    data = file.get(f"{parent}/data")
    if stored == seen.total:
        return not isinstance(data, h5py.Dataset) or data.size > 0
    # what stands before this pointer would all be in the one row (or column) that ends there
    return number is None or int(file[name][stored * seen.side]) > number


def _features(attributes: Mapping[str, Any], axis: int) -> int | None:
    """Return the length of a row of a sparse matrix (of a column where it is held by columns)."""
    shape = np.ravel(attributes.get("shape", attributes.get("h5sparse_shape", ())))
    return int(shape[axis]) if len(shape) == 2 and shape.dtype.kind in "iu" else None


def _text(attributes: Mapping[str, object], name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) else None
