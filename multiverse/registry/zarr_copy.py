"""Copying a zarr store of AnnData or MuData to an HDF5 file, chunk by chunk.

What registration reads is copied, as anndata's HDF5 has it; what relates cells or features to one
another stays behind.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from multiverse.contract.hdf5_tree import MAX_COMPRESSION
from multiverse.errors import DatasetError
from multiverse.registry.guarded import new_hdf5
from multiverse.registry.zarr_chunks import (
    MAX_CHUNK_BYTES,
    BadChunk,
    Pipeline,
    Unsupported,
    pipeline_v2,
    pipeline_v3,
)
from multiverse.registry.zarr_gaps import SeenChunks, lost_chunk, note_of_gaps
from multiverse.registry.zarr_store import ROOT_FILES, StoreFiles

MAX_NODES = 50_000
MAX_METADATA_BYTES = 16 * 1024**2
#: Read by nobody.
_SKIPPED = ("obsp", "varp", "varm", "obsmap", "varmap")
_METADATA = (".zgroup", ".zarray", "zarr.json")
#: What a store may unpack to: so much, and so many times its own bytes.
ROOM_BYTES = 1024**3
_TEXT = h5py.string_dtype()


@dataclass(frozen=True)
class ZarrArray:
    """An array of a store. ``inner``: shape of the chunks within a shard; None: no shards."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    pipeline: Pipeline
    fill: Any
    prefix: str
    separator: str
    inner: tuple[int, ...] | None = None
    index_first: bool = False
    index_checked: bool = True

    def key(self, place: tuple[int, ...]) -> str:
        """Return the name of a chunk's file below the array."""
        words = [*map(str, place)] or ["0"]
        if self.prefix:
            return self.separator.join([self.prefix, *words]) if place else self.prefix
        return self.separator.join(words)


@dataclass(frozen=True)
class CopiedStore:
    """What a copy lacks. ``unread``: columns that can't be used → why; ``notes``: for the user."""

    unread: Mapping[tuple[str, str], str]
    notes: tuple[str, ...]


def copy_store(store: StoreFiles, target: Path) -> CopiedStore:
    """Copy a store to a new HDF5 file; return what a user should know of it.

    Raises :class:`DatasetError` where the store is damaged, lacks chunks that no writer leaves out
    (:mod:`multiverse.registry.zarr_gaps`), declares more than it may, or is packed by a codec that
    is not on the list of :mod:`multiverse.registry.zarr_chunks`.
    """
    with new_hdf5(target, libver=("v108", "v110")) as (file, stream):
        copy = _Copy(store, file, stream.check)
        copy.run()
    store.check_unchanged()
    return CopiedStore(copy.unread, note_of_gaps(copy.gaps))


@dataclass
class _Copy:
    store: StoreFiles
    file: h5py.File
    check: Any
    unread: dict[tuple[str, str], str] = field(default_factory=dict)
    gaps: dict[str, SeenChunks] = field(default_factory=dict)
    _unpacked: int = 0
    _stored_bytes: int = 0

    def run(self) -> None:
        nodes = self._nodes()
        self._stored_bytes = sum(self.store.sizes.values())
        if "" not in nodes:
            raise DatasetError(
                f"{self.store.path} has no metadata of zarr ({' or '.join(ROOT_FILES[:2])})",
                remedy="Copy the whole folder, with its hidden files: "
                "cp -r, not cp FOLDER/* (which leaves them out).",
            )
        references = []
        for name in sorted(nodes):
            if self._is_skipped(name):
                continue
            metadata, attributes = self._read_node(name)
            try:
                array = _array_of(metadata)
            except Unsupported as problem:
                self._refuse(name, str(problem))
                continue
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                where = name or "/"
                raise self.store.error(f"the metadata of {where} are wrong: {error}") from error
            node = self._make_node(name, array)
            if array is not None and isinstance(attributes.get("categories"), str):
                references.append((name, attributes.pop("categories")))
            self._write_attributes(node, attributes)
        for name, path in references:
            self._refer(name, path)

    def _make_node(self, name: str, array: ZarrArray | None) -> h5py.Group | h5py.Dataset:
        try:
            if array is None:
                return self.file.require_group(name) if name else self.file
            made = self._new_dataset(name, array)
        except (TypeError, ValueError, KeyError, RuntimeError) as error:
            raise self.store.error(f"{name} can't be a group or an array: {error}") from error
        self._fill_dataset(name, made, array)
        return made

    def _nodes(self) -> list[str]:
        found = {
            name.rpartition("/")[0]
            for name in self.store.sizes
            if name.rpartition("/")[2] in _METADATA
        }
        if len(found) > MAX_NODES:
            raise self.store.error(f"it has more than {MAX_NODES:,} groups and arrays")
        return sorted(found)

    def _is_skipped(self, name: str) -> bool:
        parts = name.split("/")
        if parts[0] == "mod" and len(parts) > 2:
            parts = parts[2:]
        return parts[0] in _SKIPPED

    def _refuse(self, name: str, why: str) -> None:
        """Note a column that can't be used, and pass over what few read; refuse anything else."""
        parts = name.split("/")
        if "uns" in parts:
            return
        table = next((i for i, part in enumerate(parts[:-1]) if part in ("obs", "var")), None)
        if table is None:
            raise DatasetError(
                f"{self.store.path}: {name} can't be read: {why}",
                remedy="Write it again with anndata's own settings: adata.write_zarr(NEW), "
                "or adata.write_h5ad(NEW).",
            )
        self.unread["/" + "/".join(parts[: table + 1]), parts[table + 1]] = why

    def _read_node(self, name: str) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """Return the metadata and the attributes of a node."""
        if (found := self._json(name, "zarr.json")) is not None:
            return found, dict(found.get("attributes") or {})
        attributes = self._json(name, ".zattrs") or {}
        return self._json(name, ".zarray") or {"zarr_format": 2}, dict(attributes)

    def _json(self, name: str, leaf: str) -> dict[str, Any] | None:
        path = f"{name}/{leaf}" if name else leaf
        size = self.store.sizes.get(path)
        if size is None:
            return None
        if size > MAX_METADATA_BYTES:
            raise self.store.error(f"{path} is too large, {size:,} bytes")
        try:
            found = json.loads(self.store.read(path, size))
        except (ValueError, RecursionError) as error:
            raise self.store.error(f"{path} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise self.store.error(f"{path} is not a record")
        return found

    def _new_dataset(self, name: str, array: ZarrArray) -> h5py.Dataset:
        pipeline = array.pipeline
        text = pipeline.text or pipeline.dtype.kind in "SU"
        kind = _TEXT if text else pipeline.dtype.newbyteorder("=")
        settings: dict[str, Any] = {}
        if all(array.shape) and array.shape:
            sides = zip(array.inner or array.chunks, array.shape, strict=True)
            settings["chunks"] = tuple(min(pair) for pair in sides)
            if not text:
                settings["fillvalue"] = _fill(array.fill, pipeline.dtype)
        return self.file.create_dataset(name, array.shape, kind, **settings)

    def _fill_dataset(self, name: str, dataset: h5py.Dataset, array: ZarrArray) -> None:
        """Write the chunks that are stored."""
        text = array.pipeline.text or array.pipeline.dtype.kind in "SU"
        if not all(array.shape):
            return
        seen = SeenChunks(array.shape, array.inner or array.chunks)
        try:
            for start, values in self._chunks(name, array):
                seen.add(start)
                inside = tuple(
                    slice(0, max(0, min(length, side - first)))
                    for length, side, first in zip(values.shape, array.shape, start, strict=True)
                )
                values = _plain_text(values[inside]) if text else values[inside]
                self._count(values)
                if values.size and (text or values.any() or dataset.fillvalue):
                    where = tuple(
                        slice(first, first + length)
                        for first, length in zip(start, values.shape, strict=True)
                    )
                    dataset[where] = values
                self.check()
        except (BadChunk, UnicodeError, ValueError) as error:
            raise self.store.error(f"a chunk of {name} can't be read: {error}") from error
        self._check_gaps(name, seen)

    def _check_gaps(self, name: str, seen: SeenChunks) -> None:
        """Raise :class:`DatasetError` where chunks were lost; keep those that may be missing."""
        if not seen.missing or not seen.shape or "uns" in name.split("/"):
            return
        lost = lost_chunk(self.file, name, seen)
        if lost is not None:
            raise self.store.error(
                f"chunk {lost + 1:,} of {seen.total:,} of {name} is missing: the store was not "
                "copied to its end",
                remedy="Copy the whole store again.",
            )
        self.gaps[name] = seen

    def _count(self, values: np.ndarray) -> None:
        """Count what was unpacked; zeros, which nobody writes, take no room."""
        if values.dtype.hasobject:
            self._unpacked += sum(map(len, values.ravel().tolist()))
        elif values.any():
            self._unpacked += values.nbytes
        if self._unpacked > ROOM_BYTES + MAX_COMPRESSION * self._stored_bytes:
            raise BadChunk(f"the store unpacks to more than {self._unpacked:,} bytes")

    def _chunks(self, name: str, array: ZarrArray) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """Yield the place of each chunk that is stored, and its values."""
        for place, path in self._stored(name, array):
            start = tuple(i * side for i, side in zip(place, array.chunks, strict=True))
            if array.inner is None:
                yield start, array.pipeline.decode(self._whole(path), array.chunks)
                continue
            for inner, packed in self._shard(path, array):
                within = tuple(i * side for i, side in zip(inner, array.inner, strict=True))
                values = array.pipeline.decode(packed, array.inner)
                yield tuple(a + b for a, b in zip(start, within, strict=True)), values

    def _stored(self, name: str, array: ZarrArray) -> Iterator[tuple[tuple[int, ...], str]]:
        """Yield the chunks that are stored, by what is in the store: the grid may be endless."""
        pairs = zip(array.shape, array.chunks, strict=True)
        grid: list[int] = [-(-side // chunk) for side, chunk in pairs]
        if math.prod(grid) <= 2 * len(self.store.sizes):
            for place in itertools.product(*map(range, grid)):
                path = f"{name}/{array.key(place)}"
                if path in self.store.sizes:
                    yield place, path
            return
        start = f"{name}/{array.prefix}{array.separator}" if array.prefix else f"{name}/"
        for path in self.store.sizes:
            words = path[len(start) :].split(array.separator) if path.startswith(start) else []
            if len(words) == len(grid) and all(word.isdecimal() for word in words):
                place = tuple(map(int, words))
                if all(i < most for i, most in zip(place, grid, strict=True)):
                    yield place, path

    def _whole(self, path: str) -> bytes:
        size = self.store.sizes[path]
        if size > 2 * MAX_CHUNK_BYTES:
            raise BadChunk(f"its file has {size:,} bytes")
        return self.store.read(path, size)

    def _shard(self, path: str, array: ZarrArray) -> Iterator[tuple[tuple[int, ...], bytes]]:
        """Yield the chunks of a shard, by its index: place and length of each, or none."""
        assert array.inner is not None  # noqa: S101 - for the type
        grid = [side // inner for side, inner in zip(array.chunks, array.inner, strict=True)]
        number, size = math.prod(grid), self.store.sizes[path]
        length = 16 * number + (4 if array.index_checked else 0)
        if length > size:
            raise BadChunk("its shard is shorter than its index")
        index = self.store.read(path, length, 0 if array.index_first else size - length)
        places = np.frombuffer(index[: 16 * number], dtype="<u8").reshape(-1, 2)
        for position, (start, stored) in enumerate(places.tolist()):
            if start == 2**64 - 1 and stored == 2**64 - 1:
                continue
            if start + stored > size or stored > 2 * MAX_CHUNK_BYTES:
                raise BadChunk("its shard names bytes that it has not")
            place = tuple(int(i) for i in np.unravel_index(position, grid))
            yield place, self.store.read(path, stored, start)

    def _write_attributes(self, node: h5py.Group | h5py.Dataset, attributes: Any) -> None:
        for name, value in attributes.items():
            if isinstance(value, str | bool | int | float):
                node.attrs[name] = value
            elif isinstance(value, list) and all(isinstance(item, str) for item in value):
                node.attrs.create(name, np.array(value, dtype=object), dtype=_TEXT)
            elif isinstance(value, list) and all(isinstance(item, int | float) for item in value):
                node.attrs[name] = np.array(value)

    def _refer(self, name: str, path: str) -> None:
        """Let an old column refer to its categories, which stand beside it in the table."""
        table, _, column = name.rpartition("/")
        beside = f"{table}/__categories/{column}"
        if path != f"__categories/{column}" or beside not in self.file:
            raise self.store.error(f"{name}: its categories are not in __categories beside it")
        self.file[name].attrs["categories"] = self.file[beside].ref


def _array_of(metadata: Mapping[str, Any]) -> ZarrArray | None:
    """Return the array that metadata declare; None for a group."""
    if metadata.get("zarr_format") == 3:
        return _array_v3(metadata) if metadata["node_type"] == "array" else None
    if "shape" not in metadata:
        return None
    shape = _sides(metadata["shape"])
    chunks = _sides(metadata["chunks"])
    return ZarrArray(
        shape=shape,
        chunks=_grid(shape, chunks),
        pipeline=pipeline_v2(metadata, len(shape)),
        fill=metadata.get("fill_value"),
        prefix="",
        separator=str(metadata.get("dimension_separator", ".")),
    )


def _array_v3(metadata: Mapping[str, Any]) -> ZarrArray:
    shape = _sides(metadata["shape"])
    if metadata["chunk_grid"]["name"] != "regular":
        raise Unsupported(f"chunks of a grid {metadata['chunk_grid']['name']!r:.60}")
    chunks = _grid(shape, _sides(metadata["chunk_grid"]["configuration"]["chunk_shape"]))
    encoding = metadata["chunk_key_encoding"]
    settings = encoding.get("configuration") or {}
    modern = encoding["name"] == "default"
    codecs, sharding = list(metadata["codecs"]), {}
    if len(codecs) == 1 and codecs[0].get("name") == "sharding_indexed":
        sharding = codecs[0]["configuration"]
        codecs = sharding["codecs"]
        index = [item["name"] for item in sharding["index_codecs"]]
        if index not in (["bytes"], ["bytes", "crc32c"]):
            raise Unsupported(f"shards whose index is packed by {', '.join(index)}")
        inner = _grid(chunks, _sides(sharding["chunk_shape"]))
        if any(side % part for side, part in zip(chunks, inner, strict=True)):
            raise ValueError("its shards are no whole number of chunks")
    return ZarrArray(
        shape=shape,
        chunks=chunks,
        pipeline=pipeline_v3(metadata["data_type"], codecs, len(shape)),
        fill=metadata.get("fill_value"),
        prefix="c" if modern else "",
        separator=str(settings.get("separator", "/" if modern else ".")),
        inner=inner if sharding else None,
        index_first=sharding.get("index_location") == "start",
        index_checked="crc32c" in index if sharding else False,
    )


def _sides(value: Any) -> tuple[int, ...]:
    sides = tuple(value)
    if len(sides) > 8 or not all(isinstance(i, int) and 0 <= i < 2**48 for i in sides):
        raise ValueError(f"{value!r:.80} is no shape")
    return sides


def _grid(shape: tuple[int, ...], chunks: tuple[int, ...]) -> tuple[int, ...]:
    if len(chunks) != len(shape) or not all(chunks):
        raise ValueError(f"chunks of {chunks} do not fit {shape}")
    return chunks


def _fill(value: Any, kind: np.dtype) -> Any:
    """Return what fills a chunk that is not stored."""
    if value is None:
        return kind.type(0)
    if isinstance(value, str):
        value = float(value.replace("Infinity", "inf"))
    return kind.type(value)


def _plain_text(values: np.ndarray) -> np.ndarray:
    flat = [
        value.decode("utf-8") if isinstance(value, bytes) else str(value)
        for value in values.ravel().tolist()
    ]
    found = np.empty(len(flat), dtype=object)
    found[:] = flat
    return found.reshape(values.shape)
