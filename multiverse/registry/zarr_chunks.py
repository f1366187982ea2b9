"""Chunks of zarr arrays as numpy arrays: a few codecs, none of which runs code or trusts a size.

Formats: https://zarr-specs.readthedocs.io, versions 2 and 3. numcodecs unpacks; before it does,
what a chunk says of its size is compared with what the array declares.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Bytes of one chunk of numbers, and of texts, when they are unpacked.
MAX_CHUNK_BYTES, MAX_TEXT_BYTES = 1024**3, 256 * 1024**2
#: What a codec may add to what can't be made smaller.
_OVERHEAD = 64 * 1024


class Unsupported(Exception):
    """An array is of a type, or packed by a codec, that is not read. The message names it."""


class BadChunk(Exception):
    """A chunk is not what its array declares."""


@dataclass(frozen=True)
class Codec:
    """One step from bytes to bytes, by its name."""

    name: str


@dataclass(frozen=True)
class Pipeline:
    """The way from the bytes of a chunk to its values.

    ``text``: values are texts of any length. ``axes``: the order in which axes are stored.
    ``codecs``: from the first to the last that was applied when it was written.
    """

    dtype: np.dtype
    text: bool
    axes: tuple[int, ...]
    codecs: tuple[Codec, ...]

    def decode(self, packed: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Return the values of a chunk of ``shape``; raises :class:`BadChunk`."""
        number = math.prod(shape)
        most = MAX_TEXT_BYTES if self.text else number * self.dtype.itemsize
        if most > MAX_CHUNK_BYTES:
            raise BadChunk(f"chunks have {most:,} bytes (at most {MAX_CHUNK_BYTES:,})")
        content = packed
        for position, codec in reversed([*enumerate(self.codecs)]):
            limit = most if position == 0 else most + most // 8 + _OVERHEAD
            content = _unpack(codec.name, content, limit, exact=not (self.text or position))
        stored = tuple(shape[axis] for axis in self.axes)
        if self.text:
            values = _texts(content, number)
        elif len(content) != most:
            raise BadChunk(f"it has {len(content):,} bytes, not {most:,}")
        else:
            values = np.frombuffer(content, dtype=self.dtype)
        return values.reshape(stored).transpose(np.argsort(self.axes))


def _texts(content: bytes, number: int) -> np.ndarray:
    from numcodecs.vlen import VLenUTF8

    if len(content) < 4 or int.from_bytes(content[:4], "little") != number:
        raise BadChunk(f"it does not hold {number:,} texts")
    try:
        return np.asarray(VLenUTF8().decode(content), dtype=object)
    except (ValueError, UnicodeDecodeError) as error:
        raise BadChunk(str(error)) from error


def _unpack(name: str, content: bytes, most: int, *, exact: bool) -> bytes:
    try:
        unpacked = _UNPACKERS[name](content, most, exact)
    except BadChunk:
        raise
    except Exception as error:  # each codec raises its own kinds
        raise BadChunk(f"{name}: {error}") from error
    if len(unpacked) > most:
        raise BadChunk(f"{name}: it unpacks to more than the {most:,} bytes that are declared")
    return unpacked


def _blosc(content: bytes, most: int, exact: bool) -> bytes:  # noqa: ARG001
    from numcodecs import blosc

    _check(int.from_bytes(content[4:8], "little"), most)
    if int.from_bytes(content[12:16], "little") != len(content):
        raise BadChunk("blosc: it says another length than it has")
    return bytes(blosc.decompress(content))


def _lz4(content: bytes, most: int, exact: bool) -> bytes:  # noqa: ARG001
    from numcodecs import lz4

    _check(int.from_bytes(content[:4], "little"), most)
    return bytes(lz4.decompress(content))


def _zstd(content: bytes, most: int, exact: bool) -> bytes:
    from numcodecs import zstd

    declared = _zstd_size(content)
    if declared is not None:
        _check(declared, most)
        return bytes(zstd.decompress(content))
    if not exact:
        raise BadChunk("zstd: it does not say how much it unpacks to")
    return bytes(zstd.decompress(content, bytearray(most)))


def _zstd_size(content: bytes) -> int | None:
    """Return what the first frame says it unpacks to (RFC 8878, 3.1.1.1); None if nothing."""
    if content[:4] != b"\x28\xb5\x2f\xfd" or len(content) < 6:
        raise BadChunk("zstd: it does not begin as such")
    descriptor = content[4]
    single = bool(descriptor & 0x20)
    width = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    start = 5 + (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3]
    if not width:
        return None
    size = int.from_bytes(content[start : start + width], "little")
    return size + 256 if width == 2 else size


def _deflated(bits: int) -> Callable[[bytes, int, bool], bytes]:
    def unpack(content: bytes, most: int, exact: bool) -> bytes:  # noqa: ARG001
        return zlib.decompressobj(wbits=bits).decompress(content, most + 1)

    return unpack


def _checksum(content: bytes, most: int, exact: bool) -> bytes:  # noqa: ARG001
    from google_crc32c import value

    if len(content) < 4 or value(content[:-4]) != int.from_bytes(content[-4:], "little"):
        raise BadChunk("crc32c: its checksum is another one")
    return content[:-4]


def _check(declared: int, most: int) -> None:
    if declared > most:
        raise BadChunk(f"it unpacks to {declared:,} bytes, {most:,} are declared")


_UNPACKERS: dict[str, Callable[[bytes, int, bool], bytes]] = {
    "blosc": _blosc,
    "lz4": _lz4,
    "zstd": _zstd,
    "gzip": _deflated(31),
    "zlib": _deflated(15),
    "crc32c": _checksum,
}


def codec_of(name: object) -> Codec:
    """Return a codec of the allow-list; :class:`Unsupported` for any other."""
    plain = str(name).removeprefix("numcodecs.")
    if plain not in _UNPACKERS:
        raise Unsupported(f"packed by {plain!r:.60}, which is not unpacked here")
    return Codec(plain)


def pipeline_v2(metadata: Mapping[str, Any], dimensions: int) -> Pipeline:
    """Return the pipeline of an array of format 2; raises :class:`Unsupported`."""
    kind = metadata["dtype"]
    if not isinstance(kind, str):
        raise Unsupported("records of several values")
    filters = [item.get("id") for item in metadata.get("filters") or ()]
    text = kind == "|O"
    if text and filters != ["vlen-utf8"]:
        raise Unsupported(f"objects, packed by {', '.join(map(str, filters)) or 'nothing'}")
    if not text and filters:
        raise Unsupported(f"filtered by {', '.join(map(str, filters))}")
    compressor = metadata.get("compressor")
    codecs = () if compressor is None else (codec_of(compressor.get("id")),)
    axes = tuple(range(dimensions))
    if metadata.get("order") == "F":
        axes = axes[::-1]
    return Pipeline(np.dtype(object) if text else _dtype(kind), text, axes, codecs)


def pipeline_v3(kind: Any, codecs: Sequence[Any], dimensions: int) -> Pipeline:
    """Return the pipeline of the codecs of an array of format 3; raises :class:`Unsupported`."""
    axes, order, text, packing = tuple(range(dimensions)), "<", False, []
    for item in codecs:
        name = item if isinstance(item, str) else item.get("name")
        settings = {} if isinstance(item, str) else item.get("configuration") or {}
        if name == "transpose":
            axes = tuple(axes[int(axis)] for axis in settings["order"])
        elif name == "bytes":
            order = ">" if settings.get("endian") == "big" else "<"
        elif name == "vlen-utf8":
            text = True
        else:
            packing.append(codec_of(name))
    if kind in ("string", "variable_length_utf8"):
        if not text:
            raise Unsupported("texts that are packed in another way than vlen-utf8")
        return Pipeline(np.dtype(object), text, axes, tuple(packing))
    if isinstance(kind, Mapping):
        length = int((kind.get("configuration") or {}).get("length_bytes", 0))
        if kind.get("name") == "fixed_length_utf32" and length:
            return Pipeline(np.dtype(f"{order}U{length // 4}"), False, axes, tuple(packing))
        if kind.get("name") == "null_terminated_bytes" and length:
            return Pipeline(np.dtype(f"S{length}"), False, axes, tuple(packing))
        raise Unsupported(f"values of type {kind.get('name')!r:.60}")
    if kind not in _KINDS_V3:
        raise Unsupported(f"values of type {kind!r:.60}")
    return Pipeline(np.dtype(kind).newbyteorder(order), False, axes, tuple(packing))


_KINDS_V3 = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64",
)  # fmt: skip


def _dtype(kind: str) -> np.dtype:
    try:
        found = np.dtype(kind)
    except TypeError as error:
        raise Unsupported(f"values of type {kind!r:.60}") from error
    if found.kind not in "biufSU" or not found.itemsize:
        raise Unsupported(f"values of type {kind!r:.60}")
    return found
