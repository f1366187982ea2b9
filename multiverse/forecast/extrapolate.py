"""Extrapolates a figure measured on data of some sizes to data of another size."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Sizes that are closer than this differ by chance more than by size: no line is drawn.
LEAST_RANGE = 1.5
#: From one size to so many times as much data; beyond, what part of a figure grows decides all.
FARTHEST = 4.0
#: Runs of the same job differ by about so much.
MARGIN = 0.1


class Known(StrEnum):
    """The certainty of an expected figure."""

    ABOUT = "about"
    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True)
class SizedFigure:
    """A figure, such as bytes or seconds, measured on data of a size."""

    size: float
    value: float


@dataclass(frozen=True)
class Expected:
    """A figure with its bounds."""

    value: float
    low: float
    high: float
    known: Known = Known.ABOUT


def at_size(
    points: Sequence[SizedFigure], size: float, base: float, least: float = 0.0
) -> Expected:
    """Return the figure to be expected on data of ``size``.

    Two sizes or more: a line through them. One size: what exceeds ``base``, which a process has
    without any data, grows in proportion; on less data it may be as much. Never less than
    ``least``, nor on more data than the largest figure that was seen.
    """
    smallest, largest = min(point.size for point in points), max(point.size for point in points)
    if largest >= LEAST_RANGE * max(smallest, 1.0):
        return _on_line(points, size, largest, least)
    return _from_one_size(largest, max(point.value for point in points), size, base, least)


def _on_line(points: Sequence[SizedFigure], size: float, largest: float, least: float) -> Expected:
    sizes, values = [point.size for point in points], [point.value for point in points]
    slope, intercept = statistics.linear_regression(sizes, values)
    if slope < 0:  # more data can't need less: what is seen is chance
        slope, intercept = 0.0, max(values)
    value = max(intercept + slope * size, least, max(values) if size >= largest else 0.0)
    residual = max(abs(point.value - intercept - slope * point.size) for point in points)
    spread = max(residual * max(1.0, size / largest), MARGIN * value)
    return Expected(value, max(value - spread, least), value + spread)


def _from_one_size(seen: float, value: float, size: float, base: float, least: float) -> Expected:
    base = min(base, value)
    scaled = base + (value - base) * size / max(seen, 1.0)
    low, high = max(least, (1 - MARGIN) * scaled), max(least, value)
    if size * LEAST_RANGE < seen:
        return Expected(high, low, high, Known.AT_MOST)
    if size <= seen:
        return Expected(high, low, (1 + MARGIN) * high)
    high = max(least, scaled)
    low = max(least, value)
    if size > FARTHEST * seen:
        return Expected(high, low, high, Known.AT_MOST)
    return Expected(high, low, (1 + MARGIN) * high)
