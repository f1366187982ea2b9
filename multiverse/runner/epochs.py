"""Follows ``metrics.jsonl`` while a model writes it, without trusting what it is."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from multiverse.contract.output import is_finite
from multiverse.facts import EpochFacts

READ_BYTES = 256 * 1024
MAX_EPOCH = 10**12


class EpochFollower:
    """Reads what was appended since the last look, and keeps the newest epoch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self.latest: EpochFacts | None = None

    def look(self) -> EpochFacts | None:
        """The newest epoch there is, or None before the first."""
        self._rest += self._new_bytes()
        *lines, self._rest = self._rest.split(b"\n")
        if len(self._rest) > READ_BYTES:
            self._rest = b""
        for line in reversed(lines):
            epoch = _parse(line)
            if epoch is not None:
                self.latest = epoch
                break
        return self.latest

    def _new_bytes(self) -> bytes:
        """At most one block a look: a file that grows without end can't hold the runner up."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags)
        except OSError:
            return b""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            content = os.pread(descriptor, READ_BYTES, self._offset)
        finally:
            os.close(descriptor)
        self._offset += len(content)
        return content


def _parse(line: bytes) -> EpochFacts | None:
    try:
        content: Any = json.loads(line)
        number, total = content["epoch"], content.get("total")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(number, int) or not isinstance(total, int | None):
        return None
    if abs(number) > MAX_EPOCH or abs(total or 0) > MAX_EPOCH:
        return None
    values = {
        str(name)[:40]: float(value)
        for name, value in content.items()
        if name not in ("epoch", "total", "time") and is_finite(value)
    }
    return EpochFacts(number, total, values)
