"""Text files of strangers, compressed or not, read without trusting how much comes out of them."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from multiverse.errors import DatasetError

#: Bytes of a line at the most, and of one read.
MAX_LINE_BYTES, _READ_BYTES = 64 * 1024, 256 * 1024
_GZIP = b"\x1f\x8b"


class BoundedText(io.RawIOBase):
    """The bytes of a text file, unpacked: at most ``max_bytes`` of them, and no endless line."""

    def __init__(self, stream: BinaryIO, path: Path, max_bytes: int) -> None:
        packed = stream.read(2) == _GZIP
        stream.seek(0)
        self._inner: Any = gzip.GzipFile(fileobj=stream, mode="rb") if packed else stream
        self._path = path
        self._left = max_bytes
        self._line = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        content = self._read(min(len(buffer), _READ_BYTES))
        self._left -= len(content)
        if self._left < 0:
            raise DatasetError(f"{self._path} holds far more text than its matrix has entries")
        last = content.rfind(b"\n")
        self._line = self._line + len(content) if last < 0 else len(content) - last - 1
        if self._line > MAX_LINE_BYTES or (last >= 0 and _longest(content) > MAX_LINE_BYTES):
            raise DatasetError(
                f"{self._path} has a line of more than {MAX_LINE_BYTES:,} bytes: it is no table"
            )
        buffer[: len(content)] = content
        return len(content)

    def _read(self, size: int) -> bytes:
        try:
            content: bytes = self._inner.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DatasetError(
                f"{self._path} is truncated or damaged: {error}",
                remedy="Copy or download it again.",
            ) from error
        except OSError as error:
            raise DatasetError(f"{self._path} can't be read: {error.strerror or error}") from error
        return content


def _longest(content: bytes) -> int:
    return max(map(len, content.split(b"\n")))


@contextmanager
def bounded_text(stream: BinaryIO, path: Path, max_bytes: int) -> Iterator[io.BufferedReader[Any]]:
    """Give the unpacked bytes of a stream, which is read from its beginning."""
    stream.seek(0)
    with io.BufferedReader(BoundedText(stream, path, max_bytes), _READ_BYTES) as reader:
        yield reader
