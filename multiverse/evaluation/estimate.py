"""A metric's value, with what a reader of it must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Cells = NDArray[np.intp]


@dataclass(frozen=True)
class Estimate:
    """A metric's value, computed from ``cells`` (rows of the dataset).

    ``parts``: the values behind a mean. ``remark``: what a reader of the value must know, in a
    sentence. ``variants``: the metric computed otherwise, as other software does.
    """

    value: float
    cells: Cells
    parts: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""
    variants: Mapping[str, float] = field(default_factory=dict)


def mean_of_groups(values: Values, groups: NDArray[np.int64]) -> float:
    """Return the mean over groups of each group's mean; NaN where there is no value.

    ``values`` (n,) may hold NaN, which counts nowhere; ``groups`` (n,) are codes from 0.
    """
    there = np.isfinite(values)
    present = np.bincount(groups, weights=there.astype(np.float64))
    sums = np.bincount(groups, weights=np.where(there, values, 0.0))
    valued = present > 0
    return float((sums[valued] / present[valued]).mean()) if valued.any() else float("nan")
