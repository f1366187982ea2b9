"""What the HDF5 library reads of a file while the file is checked, through one descriptor."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

#: A heap of texts begins with these bytes; eight further on stands its size.
_HEAP = b"GCOL"


class CountedReads(io.RawIOBase):
    """A file as a stream that refuses to read heaps of texts beyond a size, on request.

    ``size`` is that of the file in bytes. ``too_large`` is true once a heap was refused.
    """

    def __init__(self, descriptor: int) -> None:
        """Read from ``descriptor``, which stays open and keeps its position."""
        super().__init__()
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self.too_large = False
        self._place = 0
        self._largest = 0
        self._most: int | None = None

    @contextmanager
    def heaps_up_to(self, most: int) -> Iterator[None]:
        """Let no heap of more than ``most`` bytes be read; OSError where one was read before."""
        if self._largest > most:
            self.too_large = True
            raise OSError("a heap of the file is too large")
        self._most = most
        try:
            yield
        finally:
            self._most = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        self._place = start + offset
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from here on, and note the heaps that are met."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view):
            part = os.pread(self.descriptor, min(len(view) - done, 2**30), self._place + done)
            if not part:
                break
            view[done : done + len(part)] = part
            done += len(part)
        self._place += done
        if bytes(view[:4]) == _HEAP and self._most is not None:
            size = int.from_bytes(view[8:16], "little")
            if size > self._most:
                self.too_large = True
                raise OSError("a heap of the file is too large")
            self._largest = max(self._largest, size)
        return done
