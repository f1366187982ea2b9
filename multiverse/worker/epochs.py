"""``metrics.jsonl``: one line an epoch, on disk as soon as the epoch is over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from logging import Logger
from pathlib import Path
from typing import Any

from multiverse.contract.epochs import NOT_VALUES
from multiverse.contract.output import is_count
from multiverse.errors import MultiverseError
from multiverse.worker.embedding import Series, finite_numbers

RESERVED = frozenset({"epoch", "total", "limit"})


class EpochLog:
    """Appends epochs to a file that the runner follows, and remembers them as history.

    A line is ``{"epoch": 3, "total": 100, "loss": 0.25}``; ``total`` is there if it is known, and
    ``"limit": true`` if training may end before it.
    """

    def __init__(self, path: Path, log: Logger) -> None:
        self._path = path
        self._log = log
        self._points: dict[str, list[tuple[int, float]]] = {}

    @property
    def history(self) -> Mapping[str, Series]:
        """Return the values under their names; at the numbers of their epochs if not 1, 2, 3, …"""
        return {name: _series(points) for name, points in self._points.items()}

    def add(
        self, number: int, total: int | None, values: dict[str, Any], *, limit: bool = False
    ) -> None:
        """Write one epoch. Values that are not finite numbers are dropped with a warning."""
        if RESERVED & values.keys():
            raise MultiverseError(
                "'epoch', 'total' and 'limit' are no names for values of an epoch"
            )
        kept = finite_numbers(values, self._log, f"epoch {number}: value")
        for name, value in kept.items():
            if name not in NOT_VALUES:
                self._points.setdefault(name, []).append((number, value))
        line: dict[str, Any] = {"epoch": number}
        if total is not None:
            line |= {"total": total} | ({"limit": True} if limit else {})
        line |= kept
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, allow_nan=False) + "\n")


def _series(points: list[tuple[int, float]]) -> Series:
    numbers, values = [number for number, _ in points], [value for _, value in points]
    usual = numbers == list(range(1, len(numbers) + 1)) or not all(map(is_count, numbers))
    return Series(values, at=None if usual else numbers)
