"""Parts of an HDF5 file that are handed to anndata: what it would follow is judged before.

anndata reads members by names that stand in attributes. Such a name may be a path, and lead to
whatever else is in the file; an old table's categories are a reference, to any address at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, TypeAlias

import h5py
import numpy as np
from h5py import h5o, h5r

from multiverse.contract.hdf5 import CheckedFile, UnsafeHdf5
from multiverse.contract.hdf5_tree import Suspicious, judge_values

#: What may stand in a table of cells or features: nothing of it leads anywhere else.
TABLE = frozenset({
    "dataframe", "array", "string-array", "categorical", "nullable-integer", "nullable-boolean",
    "nullable-string-array",
})  # fmt: skip
#: What may stand in a record of texts and numbers.
RECORD = frozenset({"dict", "string", "string-array", "numeric-scalar", "array", "null"})
#: Of tables before anndata 0.8, whose columns bear no encoding.
_CATEGORIES = "__categories"
MAX_DEPTH = 6

Node: TypeAlias = h5py.Group | h5py.Dataset


def check_element(found: CheckedFile, node: Node, encodings: Collection[str]) -> None:
    """Judge all that anndata would read of a node; raises :class:`UnsafeHdf5`.

    Every node below must be there by a hard link, of one of the ``encodings``, and no larger than
    what is stored; names that stand in attributes are those of members.
    """
    waiting = [(node, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise UnsafeHdf5(f"{node.name} is nested too deeply")
        _check_encoding(node, encodings)
        if isinstance(node, h5py.Group):
            members = dict(_members(node))
            _check_names(node, members)
            waiting += [(member, depth + 1) for member in members.values()]
            continue
        try:
            judge_values(node.id, node.name, found.file, found.reads)
        except Suspicious as error:
            raise UnsafeHdf5(str(error)) from error
        _check_categories(found, node)


def _members(group: h5py.Group) -> Iterator[tuple[str, Node]]:
    for name in group:
        where = f"{group.name.rstrip('/')}/{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise UnsafeHdf5(f"{where} is a link to elsewhere, which is not followed")
        member = group[name]
        if not isinstance(member, h5py.Group | h5py.Dataset):
            raise UnsafeHdf5(f"{where} is neither a group nor an array")
        yield name, member


def _check_encoding(node: Node, encodings: Collection[str]) -> None:
    kind = node.attrs.get("encoding-type")
    if kind is None and (isinstance(node, h5py.Dataset) or _is_plain(node)):
        return
    if not isinstance(kind, str) or kind not in encodings:
        raise UnsafeHdf5(f"{node.name} is encoded as {kind!r:.80}, which can't be read")


def _is_plain(group: h5py.Group) -> bool:
    return str(group.name).rpartition("/")[2] == _CATEGORIES


def _check_names(group: h5py.Group, members: Collection[str]) -> None:
    """Check that attributes of a table name members of it, and nothing that is a path."""
    if "_index" in group.attrs:
        _check_member(group, "_index", group.attrs["_index"], members)
    if "column-order" in group.attrs:
        columns = group.attrs["column-order"]
        if np.ndim(columns) != 1:
            raise UnsafeHdf5(f"{group.name}: column-order is not a list of names")
        for name in columns:
            _check_member(group, "column-order", name, members)


def _check_member(group: h5py.Group, what: str, name: Any, members: Collection[str]) -> None:
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    if not isinstance(text, str) or text not in members:
        raise UnsafeHdf5(f"{group.name}: {what} names {text!r:.80}, which is not in it")


def _check_categories(found: CheckedFile, column: h5py.Dataset) -> None:
    """Check that the categories of an old table's column are those that stand in the table."""
    if "categories" not in column.attrs:
        return
    target = column.attrs["categories"]
    if isinstance(target, h5py.Reference) and target:
        table = column.parent.get(_CATEGORIES)
        addresses = {h5o.get_info(member.id).addr for _, member in _members(table or {})}
        if h5o.get_info(h5r.dereference(target, found.file.id)).addr in addresses:
            return
    raise UnsafeHdf5(f"{column.name}: its categories are not in {_CATEGORIES} beside it")
