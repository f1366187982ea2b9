"""The one reader of ``metrics.jsonl``: a whole file, or what was appended to a growing one.

A model writes the file, so nothing in it is trusted: only a regular file is opened, reading is
bounded, and a line that is no epoch is passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiverse.contract.files import Tail, open_regular
from multiverse.contract.output import (
    MAX_BYTES,
    MAX_METRIC_NAME,
    MAX_METRICS,
    MAX_VALUES,
    is_count,
    is_finite,
)
from multiverse.contract.paths import NAMES

#: Keys of a line that are no values of the epoch, and so no curves.
NOT_VALUES = frozenset({"epoch", "total", "time"})


@dataclass(frozen=True)
class Epoch:
    """One line of ``metrics.jsonl``. ``total``: how many epochs there will be, if that is known.

    ``limit``: there will be at most so many, since training ends when it has converged.
    """

    number: int
    total: int | None
    values: Mapping[str, float]
    limit: bool = False


def read_epochs(path: Path) -> Iterator[Epoch]:
    """Yield the epochs of a whole file in the order of their lines; none where there is no file.

    Of a longer file than the contract allows the first part is read.
    """
    n_values = 0
    for line in _read(path, MAX_BYTES[NAMES.epochs.name]).split(b"\n"):
        epoch = _parse(line)
        if epoch is not None:
            n_values += len(epoch.values)
            if n_values > MAX_VALUES:
                return
            yield epoch


class EpochFollower:
    """Reads what was appended since the last look, and keeps the newest epoch."""

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path)
        self.latest: Epoch | None = None

    def look(self) -> Epoch | None:
        """Return the newest epoch, or None before the first.

        At most one block is read: a file that grows without end can't hold the runner up.
        """
        for line in reversed(self._tail.look()):
            epoch = _parse(line)
            if epoch is not None:
                self.latest = epoch
                break
        return self.latest


def _read(path: Path, size: int) -> bytes:
    try:
        with os.fdopen(open_regular(path, second_names="none"), "rb") as stream:
            return stream.read(size)
    except OSError:
        return b""


def _parse(line: bytes) -> Epoch | None:
    try:
        content: Any = json.loads(line)
        number, total = content["epoch"], content.get("total")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # a model that was killed leaves half a line
    if not is_count(number) or not (total is None or is_count(total)):
        return None
    values = {
        name: float(value)
        for name, value in content.items()
        if name not in NOT_VALUES and len(name) <= MAX_METRIC_NAME and is_finite(value)
    }
    limit = total is not None and content.get("limit") is True
    return Epoch(number, total, dict(list(values.items())[:MAX_METRICS]), limit)
