"""Tables of anndata before 0.7: arrays of records, with the values of categories elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
from h5py import h5d, h5t

from multiverse.contract.hdf5_text import chunk_blocks, contiguous_blocks
from multiverse.contract.hdf5_tree import MAX_TEXT_BYTES, SMALL_BYTES
from multiverse.registry.elements import Values, categorical, decoded

if TYPE_CHECKING:
    from multiverse.registry.hdf5 import Hdf5

_INDEX = ("index", "_index")
_PLAIN = (h5t.TypeStringID, h5t.TypeIntegerID, h5t.TypeFloatID, h5t.TypeEnumID)


def read_records(source: Hdf5, node: h5py.Dataset, categories: h5py.Group | None) -> pd.DataFrame:
    """Read a table that is an array of records.

    ``categories``: the group that holds the values of a column ``x`` as ``x_categories``.
    Raises :class:`DatasetError` where it is no such table.
    """
    if node.ndim != 1 or node.dtype.names is None:
        raise source.error(f"{node.name} is neither a table nor a list of records")
    records = _load(source, node)
    columns: dict[str, Values] = {}
    for name in node.dtype.names:
        values = records[name]
        if values.ndim != 1 or values.dtype.kind not in "iufbOSU":
            source.leave_out(node.name, name, f"values of type {node.dtype[name]}")
            continue
        found = None if categories is None else source.child(categories, f"{name}_categories")
        if isinstance(found, h5py.Dataset) and values.dtype.kind in "iu":
            known = np.atleast_1d(decoded(source.load(found)))
            columns[name] = categorical(source, node, values, known, ordered=False)
        else:
            columns[name] = decoded(values)
    index = next((name for name in _INDEX if name in columns), next(iter(columns), None))
    if index is None:
        raise source.error(f"{node.name} has no column")
    names = columns.pop(index)
    return pd.DataFrame(columns, index=pd.Index(np.asarray(names, dtype=object)))


def _load(source: Hdf5, node: h5py.Dataset) -> np.ndarray:
    if not node.dtype.hasobject:
        return source.load(node)
    size = source.reads.size
    with source.reading(node.name):
        found = _text_bytes(source, node)
    declared = node.size * node.dtype.itemsize
    if found > min(size, 64 * MAX_TEXT_BYTES) or declared > max(SMALL_BYTES, size):
        raise source.error(f"{node.name} declares {found:,} bytes of text, the file has {size:,}")
    with source.reading(node.name):
        return np.asarray(node[...])


def _text_bytes(source: Hdf5, node: h5py.Dataset) -> int:
    """Return the bytes of all texts in records, told by what points to them; 0 are read.

    In the file a text is its length, the place of its heap, and its number there; the library
    shows the type of a record as it is in memory, where a text is one pointer.
    """
    address, _ = node.file.id.get_create_plist().get_sizes()
    kind = node.id.get_type()
    stored, in_memory = 4 + address + 4, h5t.py_create(h5py.string_dtype()).get_size()
    members = sorted(
        (kind.get_member_offset(number), kind.get_member_type(number))
        for number in range(kind.get_nmembers())
    )
    texts: list[int] = []
    for offset, member in members:
        if isinstance(member, h5t.TypeStringID) and member.is_variable_str():
            texts.append(offset + len(texts) * (stored - in_memory))
        elif not isinstance(
            member, h5t.TypeStringID | h5t.TypeIntegerID | h5t.TypeFloatID | h5t.TypeEnumID
        ):
            raise source.error(f"{node.name} has records within records")
    width = kind.get_size() + len(texts) * (stored - in_memory)
    total, base = 0, node.file.userblock_size
    for rows in _blocks(source, node, width):
        for offset in texts:
            lengths = np.ascontiguousarray(rows[:, offset : offset + 4]).view("<u4").ravel()
            total += int(lengths.sum(dtype=np.int64))
            places = np.zeros((len(rows), 8), dtype=np.uint8)
            places[:, :address] = rows[:, offset + 4 : offset + 4 + address]
            for place in np.unique(places.view("<u8").ravel()[lengths > 0]).tolist():
                source.reads.check_heap(base + place)
    return total


def _blocks(source: Hdf5, node: h5py.Dataset, width: int) -> Iterator[np.ndarray]:
    plist = node.id.get_create_plist()
    if plist.get_layout() == h5d.CONTIGUOUS:
        return contiguous_blocks(node.id, width, source.reads)
    if plist.get_layout() == h5d.CHUNKED:
        return chunk_blocks(node.id, plist, width)
    raise source.error(f"{node.name} holds text within records, which can't be measured")
