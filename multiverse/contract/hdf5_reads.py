"""What the HDF5 library reads of a file while the file is checked, through one descriptor."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

#: A heap of texts begins with these bytes; eight further on stands its size.
_HEAP = b"GCOL"
#: Number (0: what is left), references, nothing, length of what follows.
_ENTRY = struct.Struct("<HHIQ")


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
        self._heaps: set[int] = set()
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
        while done < len(view) and 0 <= self._place < self.size:
            part = os.pread(self.descriptor, min(len(view) - done, 2**30), self._place + done)
            if not part:
                break
            view[done : done + len(part)] = part
            done += len(part)
        start = self._place
        self._place += done
        if bytes(view[:4]) == _HEAP:
            self._note(start, int.from_bytes(view[8:16], "little"))
        return done

    def _note(self, start: int, size: int) -> None:
        if self._most is not None and size > self._most:
            self.too_large = True
            raise OSError("a heap of the file is too large")
        self._largest = max(self._largest, size)
        self.check_heap(start)

    def check_heap(self, start: int) -> None:
        """Check that the texts of a heap lie one behind the other; raises OSError.

        The library goes from one to the next by its length, and may go on for ever.
        """
        if start in self._heaps:
            return
        if not 0 <= start < self.size:
            raise OSError("a heap lies beyond the end of the file")
        head = os.pread(self.descriptor, 16, start)
        size = int.from_bytes(head[8:16], "little")
        if head[:4] != _HEAP or not 16 <= size <= self.size - start:
            raise OSError("a heap of the file is damaged")
        content, place = os.pread(self.descriptor, size, start), 16
        while place + 16 <= size:
            number, _, _, length = _ENTRY.unpack_from(content, place)
            step = 16 + (length + 7) // 8 * 8 if number else length
            if not 16 <= step <= size - place:
                raise OSError("a heap of the file is damaged")
            place += step
        self._heaps.add(start)
