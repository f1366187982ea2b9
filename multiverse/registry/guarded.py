"""New HDF5 files on disks that may be full.

The HDF5 library can't close a file that it can't flush: it keeps trying, and crashes the process
at its end. So it never learns of a failed write here; the failure is kept and raised by us, and
what was written is thrown away anyway. Until then the library must be able to read back what it
believes to have written, or it crashes as well: that is kept in memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py


class GuardedStream(io.FileIO):
    """A new file whose writes always seem to succeed; ``failure`` is the first that did not."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self.failure: OSError | None = None
        self._unwritten: list[tuple[int, bytes]] = []

    def write(self, content: Any, /) -> int:
        left = memoryview(content).cast("B")
        size = len(left)
        try:
            while self.failure is None and len(left):
                left = left[super().write(left) or 0 :]
        except OSError as error:
            self.failure = error
        if len(left):
            self._unwritten.append((self.tell(), bytes(left)))
            self.seek(len(left), io.SEEK_CUR)
        return size

    def readinto(self, buffer: Any, /) -> int:
        if self.failure is None:
            return super().readinto(buffer) or 0
        target = memoryview(buffer).cast("B")
        start = self.tell()
        target[:] = bytes(len(target))
        super().readinto(target)
        for place, content in self._unwritten:
            first, last = max(place, start), min(place + len(content), start + len(target))
            if first < last:
                target[first - start : last - start] = content[first - place : last - place]
        self.seek(start + len(target))
        return len(target)

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.failure = self.failure or error
            return size or 0

    def check(self) -> None:
        """Raise the failure, if there was one."""
        if self.failure is not None:
            raise self.failure


@contextmanager
def new_hdf5(path: Path, **settings: Any) -> Iterator[tuple[h5py.File, GuardedStream]]:
    """Open a new HDF5 file and its stream. A failed write is raised at the latest at the end.

    Whoever writes much calls ``check`` in between, so as not to go on for nothing.
    """
    with GuardedStream(path) as stream:
        try:
            with h5py.File(stream, "w", **settings) as file:
                yield file, stream
        except (OSError, RuntimeError) as error:
            if stream.failure is not None and error is not stream.failure:
                raise stream.failure from error
            raise
        stream.check()
