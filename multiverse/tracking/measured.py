"""The numbers that a model reported: of every epoch, and at its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiverse.contract.files import read_regular
from multiverse.contract.output import MAX_BYTES, is_finite, read_metrics
from multiverse.contract.paths import OutputFiles
from multiverse.tracking.names import fitting_name

#: No honest epoch has a higher number; MLflow's steps are integers of 64 bits.
MAX_STEP = 10**12


@dataclass(frozen=True)
class MetricPoint:
    """One value of one metric. ``step``: the epoch, from 1; 0 for what has none."""

    name: str
    value: float
    step: int = 0


def read_points(output: OutputFiles) -> list[MetricPoint]:
    """``epoch/<name>`` for every epoch, ``model/<name>`` for what was measured at the end.

    Epochs come from ``metrics.jsonl``; ``history`` of ``metrics.json`` adds the names that are
    not in there, counted from 1. Both files may be absent, and are not trusted: what is not a
    finite number, or can't be read, is no point.
    """
    epochs = {(name, step): value for name, step, value in _epochs(output.epochs)}
    seen = {name for name, _ in epochs}
    content = _metrics(output.metrics)
    for name, values in _objects(content, "history"):
        if name not in seen and isinstance(values, list):
            epochs |= {(name, step): value for step, value in enumerate(values, 1)}
    points = [
        MetricPoint(fitting_name(f"epoch/{name}"), float(value), step)
        for (name, step), value in epochs.items()
        if is_finite(value)
    ]
    final = _objects(content, "model_metrics")
    return points + [
        MetricPoint(fitting_name(f"model/{name}"), float(value))
        for name, value in final
        if is_finite(value)
    ]


def _metrics(path: Path) -> Any:
    try:
        return read_metrics(path)
    except (OSError, ValueError, RecursionError):
        return None


def _objects(content: Any, part: str) -> list[tuple[str, Any]]:
    found = content.get(part) if isinstance(content, dict) else None
    return list(found.items()) if isinstance(found, dict) else []


def _epochs(path: Path) -> Iterator[tuple[str, int, Any]]:
    try:
        lines = read_regular(path, max_bytes=MAX_BYTES[path.name]).splitlines()
    except OSError:
        return
    for line in lines:
        try:
            content = json.loads(line)
            step = content.pop("epoch")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # a model that was killed leaves half a line
        if isinstance(step, int) and not isinstance(step, bool) and 0 <= step <= MAX_STEP:
            for name, value in content.items():
                if name not in ("total", "time"):
                    yield name, step, value
