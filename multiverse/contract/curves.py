"""The series of numbers that a run has reported, each with what it is per.

``history`` of ``metrics.json`` holds the values, ``history_axes`` says of some what they are per
and at which numbers. What nothing is said of is per epoch: at the numbers of ``metrics.jsonl``,
or counted from 1 where that file does not have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from multiverse.contract.epochs import NOT_VALUES, read_epochs
from multiverse.contract.output import (
    MAX_METRICS,
    is_axis_name,
    is_count,
    is_finite,
    read_metrics,
)
from multiverse.contract.paths import OutputFiles

EPOCH = "epoch"
#: What training goes through in time. Anything else, such as factors, are things side by side.
TIMES = frozenset({EPOCH, "iteration", "step", "evaluation"})


@dataclass(frozen=True)
class Curve:
    """One series: ``points`` are (number, value), in the order of their numbers, at least one."""

    name: str
    per: str
    points: tuple[tuple[int, float], ...]

    @property
    def over_time(self) -> bool:
        """Return True if the numbers follow each other in training."""
        return self.per in TIMES

    @property
    def numbers(self) -> list[int]:
        """Return the numbers of epochs, iterations, factors …, ascending."""
        return [number for number, _ in self.points]

    @property
    def values(self) -> list[float]:
        """Return the values at these numbers."""
        return [value for _, value in self.points]


def read_curves(output: OutputFiles) -> list[Curve]:
    """Return every series with a finite value, those of ``metrics.jsonl`` first.

    Both files may be absent or be cut off, and are not trusted: what is no finite number, or
    can't be read, is no point. Of a number that was reported twice the last value counts.
    """
    live: dict[str, list[tuple[int, float]]] = {}
    for epoch in read_epochs(output.epochs):
        for name, value in epoch.values.items():
            live.setdefault(name, []).append((epoch.number, value))
    content = _content(output)
    axes = _object(content, "history_axes")
    found = {name: Curve(name, EPOCH, _points(points)) for name, points in live.items()}
    for name, values in _object(content, "history").items():
        axis = axes.get(name)
        per = axis.get("per") if isinstance(axis, dict) else None
        if name in NOT_VALUES or not isinstance(values, list) or (per is None and name in found):
            continue
        at = axis.get("at") if isinstance(axis, dict) else None
        numbers = at if isinstance(at, list) else range(1, len(values) + 1)
        points = _points(zip(numbers, values, strict=False))
        found[name] = Curve(name, per if is_axis_name(per) else EPOCH, points)
    return [curve for curve in found.values() if curve.points][:MAX_METRICS]


def read_model_metrics(output: OutputFiles) -> dict[str, float]:
    """Return the finite numbers that the model measured at its end; empty if it left none."""
    found = _object(_content(output), "model_metrics")
    return {name: float(value) for name, value in found.items() if is_finite(value)}


def _points(pairs: Iterable[tuple[Any, Any]]) -> tuple[tuple[int, float], ...]:
    kept = {number: float(v) for number, v in pairs if is_count(number) and is_finite(v)}
    return tuple(sorted(kept.items()))


def _content(output: OutputFiles) -> Any:
    try:
        return read_metrics(output.metrics)
    except (OSError, ValueError, RecursionError):
        return None


def _object(content: Any, part: str) -> Mapping[str, Any]:
    found = content.get(part) if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}
