"""The curves of a training: ``metrics.jsonl`` of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from multiverse.contract.output import is_finite

#: Of a longer file the first part is read.
MAX_BYTES = 64 * 1024 * 1024
MAX_EPOCH = 10**12
_OTHERS = ("epoch", "total", "time")

Curve = list[tuple[int, float]]


def read_epochs(path: Path) -> dict[str, Curve]:
    """Name → points (epoch, value), finite ones only; empty where there is no such file."""
    curves: dict[str, Curve] = {}
    for line in _lines(path):
        epoch = line.get("epoch")
        if not isinstance(epoch, int) or abs(epoch) > MAX_EPOCH:
            continue
        for name, value in line.items():
            if name not in _OTHERS and is_finite(value):
                curves.setdefault(name, []).append((epoch, float(value)))
    return {name: sorted(points) for name, points in curves.items()}


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES)
    except OSError:
        return
    for line in content.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):  # the line that was being written when it ended
            continue
        if isinstance(found, dict):
            yield found
