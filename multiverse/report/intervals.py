"""Computes the uncertainty of scores: 95 % intervals over seeds and cells.

Two sources of doubt, independent of each other: the chance in training, known from the standard
deviation between seeds, and the sampling of cells, known from the bootstrap of each run. The first
is estimated from few values, so Student's t takes the place of the normal distribution's 1.96.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, sqrt
from statistics import fmean, stdev

from multiverse.contract.scores import Interval

#: Standard deviations on either side that hold 95 % of a normal distribution.
Z95 = 1.959963984540054


def student95(n: int) -> float:
    """Return Student's t that holds 95 % at ``n`` - 1 degrees of freedom: 12.7 for two."""
    from scipy.special import stdtrit  # heavy, and not needed where every model has one seed

    return float(stdtrit(n - 1, 0.975))


def interval_of(values: Sequence[float], intervals: Sequence[Interval | None]) -> Interval | None:
    """Return one run's own interval, of the sampling of cells, or that around several's mean.

    It reaches √((t · sd_seeds)² + (1.96 · sd_cells)²) to either side: t of Student's distribution
    with n - 1 degrees of freedom, sd_seeds between the ``values`` of n seeds, sd_cells² the mean of
    the runs' bootstrap variances. ``sd`` is √(sd_seeds² + sd_cells²), that of one run's score.
    """
    known = [interval for interval in intervals if interval is not None]
    if len(values) == 1:
        return known[0] if known else None
    seeds = stdev(values)
    cells = sqrt(fmean(interval.sd**2 for interval in known)) if known else 0.0
    middle, half = fmean(values), hypot(student95(len(values)) * seeds, Z95 * cells)
    return Interval(low=middle - half, high=middle + half, sd=hypot(seeds, cells))


def half_width(interval: Interval, n: int) -> float:
    """Return the half-width of the interval of ``n`` seeds; that of one run can be asymmetric."""
    return Z95 * interval.sd if n == 1 else (interval.high - interval.low) / 2
