"""Follows ``metrics.jsonl`` while a model writes it, without trusting what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from multiverse.contract.files import Tail
from multiverse.contract.output import is_finite
from multiverse.facts import EpochFacts

MAX_EPOCH = 10**12


class EpochFollower:
    """Reads what was appended since the last look, and keeps the newest epoch."""

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path)
        self.latest: EpochFacts | None = None

    def look(self) -> EpochFacts | None:
        """The newest epoch there is, or None before the first."""
        for line in reversed(self._tail.look()):
            epoch = _parse(line)
            if epoch is not None:
                self.latest = epoch
                break
        return self.latest


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
