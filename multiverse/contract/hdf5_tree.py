"""The check of an HDF5 file of somebody else: every node of it, before anything reads a value.

HDF5 can name other files (external links, external storage, virtual datasets), lead in circles,
and declare far more than it holds. Nothing of it is followed here: links are judged by what kind
they are, nodes by what their headers say. Values are not read, attributes only once their size is
known. The time it takes goes by the number of nodes, not by the size of the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import h5py
import numpy as np
from h5py import h5a, h5d, h5l, h5o, h5s, h5t, h5z

from multiverse.contract.hdf5_reads import CountedReads
from multiverse.contract.hdf5_text import text_bytes

#: Links in one file, and groups within groups.
MAX_NODES, MAX_DEPTH = 50_000, 64
#: Attributes of one node, bytes of one, and of all that one file has.
MAX_ATTRIBUTES, MAX_ATTRIBUTE_BYTES, MAX_ALL_ATTRIBUTE_BYTES = 1024, 1024**2, 64 * 1024**2
#: Bytes that the texts of one attribute may come to, as far as can be told without reading them.
MAX_TEXT_BYTES = 256 * 1024**2
MAX_NAME_BYTES = 4096
#: Types within types, and the members of one.
MAX_TYPE_DEPTH, MAX_TYPE_MEMBERS = 4, 1024
#: Values up to this size are read whatever their compression.
SMALL_BYTES = 64 * 1024**2
#: Deflate, the usual filter, can't compress by more than 1 : 1032.
MAX_COMPRESSION = 1100
#: One chunk is unpacked as a whole, however little of it is asked for.
MAX_CHUNK_BYTES = 1024**3
#: Filters that do not make anything smaller: any number of bytes goes in, about as many come out.
_PLAIN_FILTERS = {h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32}
_MAX_FILTERS = 4


class Suspicious(Exception):
    """Raised for a node that no honest file has; the message begins with the node's path."""


@dataclass(frozen=True)
class Rules:
    """The two answers that differ between files.

    ``soft_links``: links within the file may stand where nothing reads them (whoever reads must
    refuse them). ``every_value``: each dataset is judged as if it were to be read.
    """

    soft_links: bool
    every_value: bool


def shown(path: bytes) -> str:
    """Return a path inside of a file as text for a message."""
    text = path.decode("utf-8", "replace")
    return text if len(text) <= 200 else f"{text[:200]}…"


@dataclass
class TreeCheck:
    """One walk over all nodes of a file. ``addresses`` are those of the nodes that were judged."""

    file: h5py.File
    reads: CountedReads
    rules: Rules
    addresses: set[int] = field(default_factory=set)
    _links: int = 0
    _attribute_bytes: int = 0

    def run(self) -> frozenset[int]:
        """Judge every node; raises :class:`Suspicious`, and what h5py raises for damage."""
        waiting = [(b"/", 0)]
        while waiting:
            path, depth = waiting.pop()
            node = h5o.open(self.file.id, path)
            info = h5o.get_info(node)
            known = info.addr in self.addresses
            self.addresses.add(info.addr)
            if known:
                if info.type == h5o.TYPE_GROUP:
                    raise Suspicious(f"{shown(path)} is reached by two ways, as in a circle")
                continue
            self._attributes(node, path, info.num_attrs)
            if info.type == h5o.TYPE_GROUP:
                if depth >= MAX_DEPTH:
                    raise Suspicious(f"{shown(path)} is nested too deeply")
                waiting += [(child, depth + 1) for child in self._members(node, path)]
            elif info.type == h5o.TYPE_DATASET:
                judge_storage(node, shown(path))
                if self.rules.every_value:
                    judge_values(node, shown(path), self.file, self.reads)
            elif info.type == h5o.TYPE_NAMED_DATATYPE:
                has_text(node, shown(path))
            else:
                raise Suspicious(f"{shown(path)} is of an unknown kind")
        return frozenset(self.addresses)

    def _members(self, group: h5py.h5g.GroupID, path: bytes) -> Iterator[bytes]:
        """Yield the paths of what a group holds, of hard links only."""
        room = MAX_NODES - self._links
        found: list[tuple[bytes, int]] = []

        def take(name: bytes, info: h5l.LinkInfo) -> bool | None:
            found.append((name, info.type))
            return True if len(found) > room else None

        group.links.iterate(take, info=True)
        self._links += len(found)
        if len(found) > room:
            raise Suspicious(f"{shown(path)}: there are more than {MAX_NODES:,} nodes in the file")
        for name, kind in found:
            child = path.rstrip(b"/") + b"/" + name
            if name in (b"", b".") or b"/" in name or len(name) > MAX_NAME_BYTES:
                raise Suspicious(f"{shown(path)} has a member named like a path: {name!r:.80}")
            if kind == h5l.TYPE_SOFT and self.rules.soft_links:
                continue
            if kind != h5l.TYPE_HARD:
                raise Suspicious(f"{shown(child)} is a link to elsewhere, which is not followed")
            yield child

    def _attributes(self, node: h5py.h5o.ObjectID, path: bytes, number: int) -> None:
        if number > MAX_ATTRIBUTES:
            most = f"at most {MAX_ATTRIBUTES:,}"
            raise Suspicious(f"{shown(path)} has {number:,} attributes ({most})")
        sizes: list[tuple[bytes, int]] = []

        def take(name: bytes, info: h5a.AttrInfo) -> None:
            sizes.append((name, info.data_size))

        if number:
            h5a.iterate(node, take, info=True)
        for name, size in sizes:
            where = f"{shown(path)}: the attribute {name[:80]!r}"
            self._attribute_bytes += size
            if size > MAX_ATTRIBUTE_BYTES or self._attribute_bytes > MAX_ALL_ATTRIBUTE_BYTES:
                raise Suspicious(f"{where} is too large, {size:,} bytes")
            attribute = h5a.open(node, name)
            if has_text(attribute.get_type(), where):
                self._attribute_text(attribute, where)

    def _attribute_text(self, attribute: h5a.AttrID, where: str) -> None:
        """Read an attribute of texts, where none of them lies in a heap that is too large.

        All texts of an attribute may be one and the same long text, and reading copies it for
        each. What is read of the file meanwhile tells how long it is.
        """
        number = _points(attribute.get_space())
        try:
            kind = attribute.dtype
        except TypeError:  # h5py does not know it: nothing here can read it
            return
        if not number:
            return
        try:
            with self.reads.heaps_up_to(MAX_TEXT_BYTES // number):
                attribute.read(np.zeros(attribute.shape, dtype=kind), mtype=h5t.py_create(kind))
        except OSError as error:
            if self.reads.too_large:
                raise Suspicious(f"{where} is too large, {number:,} long texts") from error
            raise


def _points(space: h5s.SpaceID) -> int:
    if space.get_simple_extent_type() == h5s.NULL:
        return 0
    return math.prod(space.shape)


def judge_storage(dataset: h5d.DatasetID, where: str) -> None:
    """Raise :class:`Suspicious` where values lie in other files, or are packed more than once."""
    plist = dataset.get_create_plist()
    if plist.get_layout() == h5d.VIRTUAL or plist.get_external_count():
        raise Suspicious(f"{where} keeps its values in another file")
    filters = [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]
    packing = [code for code in filters if code not in _PLAIN_FILTERS]
    if len(packing) > 1 or len(filters) > _MAX_FILTERS:
        raise Suspicious(f"{where} is compressed more than once")
    has_text(dataset.get_type(), where)


def judge_values(dataset: h5d.DatasetID, where: str, file: h5py.File, reads: CountedReads) -> None:
    """Raise :class:`Suspicious` where a dataset declares more than its stored bytes can hold."""
    kind = dataset.get_type()
    number, width = _points(dataset.get_space()), kind.get_size()
    declared, stored = number * width, min(dataset.get_storage_size(), reads.size)
    if declared > SMALL_BYTES and declared > MAX_COMPRESSION * stored:
        raise Suspicious(f"{where} declares {declared:,} bytes, of which the file holds {stored:,}")
    plist = dataset.get_create_plist()
    chunk = math.prod(plist.get_chunk()) * width if plist.get_layout() == h5d.CHUNKED else 0
    if chunk > MAX_CHUNK_BYTES:
        raise Suspicious(
            f"{where} is stored in chunks of {chunk:,} bytes (at most {MAX_CHUNK_BYTES:,})"
        )
    if not number or not has_text(kind, where):
        return
    if not isinstance(kind, h5t.TypeVlenID | h5t.TypeStringID):
        raise Suspicious(f"{where} holds text within records, which can't be measured")
    found = text_bytes(dataset, file, reads)
    if found is None and number * reads.size <= SMALL_BYTES:
        return
    if found is None or found > reads.size:
        much = "an unknown number of" if found is None else f"{found:,}"
        raise Suspicious(f"{where} declares {much} bytes of text, the file has {reads.size:,}")


def has_text(kind: h5t.TypeID, where: str, depth: int = 0) -> bool:
    """Return whether values of a type have no fixed length; :class:`Suspicious` if it nests."""
    if depth > MAX_TYPE_DEPTH:
        raise Suspicious(f"{where} has types within types")
    if isinstance(kind, h5t.TypeCompoundID):
        members = kind.get_nmembers()
        if members > MAX_TYPE_MEMBERS:
            raise Suspicious(f"{where} has records of {members:,} values")
        found = [has_text(kind.get_member_type(i), where, depth + 1) for i in range(members)]
        return any(found)
    if isinstance(kind, h5t.TypeVlenID):
        if has_text(kind.get_super(), where, depth + 1):
            raise Suspicious(f"{where} has lists within lists")
        return True
    if isinstance(kind, h5t.TypeArrayID):
        return has_text(kind.get_super(), where, depth + 1)
    return isinstance(kind, h5t.TypeStringID) and bool(kind.is_variable_str())
