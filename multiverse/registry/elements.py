"""Columns of tables, as any version of anndata and the converters of other languages write them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import h5py
import numpy as np
import pandas as pd

from multiverse.contract.hdf5 import first_line
from multiverse.errors import DatasetError

if TYPE_CHECKING:
    from multiverse.registry.hdf5 import Hdf5, Node

Values: TypeAlias = Any
#: Members of an encoded column: what a name with a slash can't mean.
_PARTS = ("codes", "categories", "values", "mask")


class Unreadable(Exception):
    """A column is of a kind that a table of cells can't use. The message says which."""


def find_member(source: Hdf5, table: h5py.Group, name: str) -> Node | None:
    """Return a member of a table; None where there is none.

    HDF5 takes a slash in a name as a path, so that a column ``G1/S`` lies in a group ``G1``; ``..``
    is a name like any other. Only hard links are followed, downwards.
    """
    *folders, leaf = name.split("/")
    if folders and leaf in _PARTS:
        return None
    found: Node = table
    for step in (*folders, leaf):
        if step in ("", ".") or not isinstance(found, h5py.Group):
            return None
        member = source.child(found, step)
        if member is None:
            return None
        found = member
    return found


def read_values(source: Hdf5, node: Node) -> Values:
    """Return the values of a column, n of them, as pandas takes them.

    Raises :class:`Unreadable` for what is no column of plain values, and
    :class:`DatasetError` where the file is damaged.
    """
    kind = source.attribute(node, "encoding-type")
    kind = kind.decode("utf-8", "replace") if isinstance(kind, bytes) else kind
    if isinstance(node, h5py.Dataset):
        return _read_array(source, node, kind)
    members = set(source.names(node))
    if kind is None:  # as some writers of other languages leave it
        if {"codes", "categories"} <= members:
            return _read_categories(source, node)
        if {"values", "mask"} <= members:
            return _read_masked(source, node)
        raise Unreadable("a group of unknown content")
    if kind == "categorical":
        return _read_categories(source, node)
    if kind in ("nullable-integer", "nullable-boolean", "nullable-string-array"):
        return _read_masked(source, node)
    raise Unreadable(f"encoded as {kind!r:.60}")


def _read_array(source: Hdf5, node: h5py.Dataset, kind: object) -> Values:
    if kind not in (None, "array", "string-array"):
        raise Unreadable(f"encoded as {kind!r:.60}")
    if node.ndim != 1:
        raise Unreadable(f"an array of shape {node.shape}")
    if node.dtype.kind not in "iufbOSUM" or (node.dtype.hasobject and not _is_text(node)):
        raise Unreadable(f"values of type {node.dtype}")
    names = h5py.check_enum_dtype(node.dtype)
    values = source.load(node)
    if "categories" in node.attrs:
        return _read_referenced(source, node, values)
    if names is not None:  # as R writes factors and logical values
        return pd.Categorical(pd.Series(values).map({code: name for name, code in names.items()}))
    return decoded(values)


def _read_categories(source: Hdf5, node: h5py.Group) -> Values:
    codes = source.load(source.array(node, "codes"))
    categories = source.child(node, "categories")
    if categories is None:
        raise source.error(f"{node.name}/categories is missing")
    ordered = bool(np.any(source.attribute(node, "ordered")))
    return categorical(source, node, codes, read_values(source, categories), ordered)


def _read_referenced(source: Hdf5, node: h5py.Dataset, codes: np.ndarray) -> Values:
    """Read a column of a table before anndata 0.8, whose categories are a reference."""
    source.check_table(node)
    target = node.file[node.attrs["categories"]]
    ordered = bool(np.any(source.attribute(target, "ordered")))
    return categorical(source, node, codes, read_values(source, target), ordered)


def categorical(
    source: Hdf5, node: Node, codes: np.ndarray, categories: Values, ordered: bool
) -> Values:
    """Return categories by their codes, -1 for a missing one; both as ``node`` has them."""
    if codes.ndim != 1 or codes.dtype.kind not in "iu":
        raise source.error(f"{node.name}: its codes are not a list of integers")
    known: Values = pd.Index(categories)
    try:
        found: Values = pd.Categorical.from_codes(codes, known, ordered=ordered)
    except ValueError as error:
        raise source.error(f"{node.name}: {first_line(error)}") from error
    return found


def _read_masked(source: Hdf5, node: h5py.Group) -> Values:
    found = read_values(source, source.array(node, "values"))
    mask = source.load(source.array(node, "mask"))
    if mask.shape != np.shape(found) or mask.dtype.kind not in "bu":
        raise source.error(f"{node.name}: its mask has shape {mask.shape}")
    return pd.Series(found).convert_dtypes().mask(mask.astype(bool)).array


def _is_text(node: h5py.Dataset) -> bool:
    return h5py.check_string_dtype(node.dtype) is not None


def decoded(values: np.ndarray) -> np.ndarray:
    """Return text, of whatever bytes: a name that is no text is found where it is used.

    Anything but text is returned as it is.
    """
    if values.dtype.kind not in "OS":
        return values
    return np.array(
        [
            value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
            for value in values
        ],
        dtype=object,
    )


def read_columns(source: Hdf5, table: h5py.Group) -> pd.DataFrame:
    """Read the columns of a table. Those of kinds that can't be used are left out and noted."""
    index = _index_name(source, table)
    columns = {}
    for name in _column_names(source, table, index):
        if (table.name, name) in source.unread:  # it was left out when the file was made
            continue
        node = find_member(source, table, name)
        if node is None:
            raise source.error(f"{table.name}: column-order names {name!r:.80}, which is not in it")
        try:
            columns[name] = read_values(source, node)
        except Unreadable as problem:
            source.leave_out(table.name, name, str(problem))
    if (why := source.unread.get((table.name, index))) is not None:
        raise DatasetError(f"{source.path}: the names of {table.name} can't be read: {why}")
    node = find_member(source, table, index)
    if node is None:
        raise source.error(f"{table.name}: _index names {index!r:.80}, which is not in it")
    try:
        names = read_values(source, node)
    except Unreadable as problem:
        raise source.error(f"{table.name}: its names are {problem}") from problem
    for name, values in columns.items():
        if len(values) != len(names):
            raise source.error(
                f"{table.name}/{name} has {len(values):,} values for {len(names):,} names"
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pd.DataFrame(columns, index=pd.Index(np.asarray(names, dtype=object)))


def _index_name(source: Hdf5, table: h5py.Group) -> str:
    declared = _names_of(source, table, "_index")
    if declared is None:
        found = [name for name in ("_index", "index") if name in source.names(table)]
        if not found:
            raise source.error(f"{table.name} is not a table: it says nowhere how rows are named")
        return found[0]
    if len(declared) != 1:
        raise source.error(f"{table.name}: _index is not a name")
    return declared[0]


def _column_names(source: Hdf5, table: h5py.Group, index: str) -> list[str]:
    declared = _names_of(source, table, "column-order")
    if declared is None:
        return [name for name in source.names(table) if name not in (index, "__categories")]
    return declared


def _names_of(source: Hdf5, table: h5py.Group, attribute: str) -> list[str] | None:
    value = source.attribute(table, attribute)
    if value is None:
        return None
    if np.ndim(value) > 1 or (attribute == "column-order" and np.ndim(value) != 1):
        raise source.error(f"{table.name}: {attribute} is not a list of names")
    return [
        name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
        for name in np.atleast_1d(value)
    ]
