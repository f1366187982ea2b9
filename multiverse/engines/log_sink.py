"""Writes a job's output stream to a file of bounded size, and to a terminal if wanted."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from multiverse.contract.files import open_new, read_end

#: A log may fill this much disk; what comes after is read, so that the job goes on, and dropped
#: except for its end.
MAX_LOG_BYTES = 64 * 1024 * 1024
TAIL_BYTES = 64 * 1024


class LogSink:
    """Copies a stream of bytes into ``container.log``, bounded, keeping the end of it."""

    def __init__(
        self,
        path: Path,
        echo: Callable[[bytes], None] | None = None,
        max_bytes: int = MAX_LOG_BYTES,
    ) -> None:
        self._path = path
        self._echo = echo
        self._room = max_bytes
        self._dropped = 0
        self._tail: deque[bytes] = deque()
        self._tail_size = 0

    def copy(self, stream: Iterable[bytes]) -> None:
        """Copy until the stream ends."""
        with os.fdopen(open_new(self._path), "wb", buffering=0) as file:
            for chunk in stream:
                kept, rest = chunk[: self._room], chunk[self._room :]
                file.write(kept)
                self._room -= len(kept)
                self._remember(rest)
                if self._echo is not None and kept:
                    self._echo(kept)
            self._close(file.write)

    def _remember(self, rest: bytes) -> None:
        if not rest:
            return
        self._dropped += len(rest)
        self._tail.append(rest[-TAIL_BYTES:])
        self._tail_size += len(self._tail[-1])
        while self._tail_size - len(self._tail[0]) >= TAIL_BYTES:
            self._tail_size -= len(self._tail.popleft())

    def _close(self, write: Callable[[bytes], object]) -> None:
        if not self._dropped:
            return
        tail = b"".join(self._tail)[-TAIL_BYTES:]
        left_out = self._dropped - len(tail)
        write(f"\n[multiverse: the log is too long; {left_out:,} bytes left out]\n".encode() + tail)


def last_lines(path: Path, count: int = 5, max_bytes: int = 16 * 1024) -> list[str]:
    """Return the last non-empty lines of a log, safe to print (no control characters)."""
    try:
        text = read_end(path, max_bytes).decode(errors="replace")
    except OSError:
        return []
    lines = [printable(line)[:400] for line in text.splitlines()]
    return [line for line in lines if line.strip()][-count:]


def printable(text: str) -> str:
    """Return the text without characters that a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)
