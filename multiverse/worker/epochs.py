"""``metrics.jsonl``: one line an epoch, on disk as soon as the epoch is over."""

from __future__ import annotations

import json
from logging import Logger
from pathlib import Path
from typing import Any

from multiverse.errors import MultiverseError
from multiverse.worker.embedding import finite_numbers

RESERVED = frozenset({"epoch", "total"})


class EpochLog:
    """Appends epochs to a file that the runner follows, and remembers them as history.

    A line is ``{"epoch": 3, "total": 100, "loss": 0.25}``; ``total`` is there if it is known.
    """

    def __init__(self, path: Path, log: Logger) -> None:
        self._path = path
        self._log = log
        self.history: dict[str, list[float]] = {}

    def add(self, number: int, total: int | None, values: dict[str, Any]) -> None:
        """Write one epoch. Values that are not finite numbers are dropped with a warning."""
        if RESERVED & values.keys():
            raise MultiverseError("'epoch' and 'total' are no names for values of an epoch")
        kept = finite_numbers(values, self._log, f"epoch {number}: value")
        for name, value in kept.items():
            self.history.setdefault(name, []).append(value)
        line = {"epoch": number} | ({} if total is None else {"total": total}) | kept
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, allow_nan=False) + "\n")
