"""Computes 95 % intervals of scores and of their differences, from seeds and halves of the cells.

Two sources of chance, independent of each other. Training: the variance between n seeds, divided by
n, of n - 1 degrees of freedom. The sampling of cells: the variance over m random halves of the
cells, of m - 1 degrees of freedom; all seeds and models are scored on the same cells, so that it
does not shrink with seeds, and that of a difference is taken half by half.

An interval reaches √((t₁ s/√n)² + (t₂ c)²) to either side of the mean, s and c the deviations of
seeds and of halves, each with Student's t of its own degrees of freedom. That of a difference adds
the variances of both sides' seeds and of the paired halves, with the degrees of freedom of Welch
(1947, doi 10.1093/biomet/34.1-2.28).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from statistics import fmean, variance
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.scores import Interval

Replicates = NDArray[np.float64]
Matrix = NDArray[np.float64]
#: Fewer halves with a value give no interval.
MIN_REPLICATES = 10
#: Differences up to this are rounding: values in halves are kept to six digits.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Sample:
    """One number of a configuration: ``values`` of its n seeds, each with its ``replicates`` (m,).

    Replicates are values in random halves of the cells, the same halves for all that is compared;
    NaN where a half has none. Those of a seed may be empty.
    """

    values: tuple[float, ...]
    replicates: tuple[Replicates, ...]

    @property
    def mean(self) -> float:
        return fmean(self.values)

    @property
    def seeds_variance(self) -> float:
        """The variance of the mean that the chance in training makes; 0 if nothing is known."""
        return variance(self.values) / len(self.values) if len(self.values) > 1 else 0.0

    @property
    def knows_cells(self) -> bool:
        """Whether the sampling of cells is known, from enough halves."""
        return int(np.isfinite(self.halves).sum()) >= MIN_REPLICATES

    @cached_property
    def halves(self) -> Replicates:
        """The mean over seeds in each half, (m,), less its own mean; empty where a seed has none.

        NaN where a seed has no value.
        """
        lengths = {len(series) for series in self.replicates}
        if len(self.replicates) != len(self.values) or len(lengths) != 1 or lengths == {0}:
            return np.empty(0)
        together = np.mean(self.replicates, axis=0)
        valued = together[np.isfinite(together)]
        centred: Replicates = together - valued.mean() if len(valued) else together
        return centred


def interval_of(sample: Sample) -> Interval | None:
    """Return the interval around the mean over seeds; None where neither source is known."""
    halves = sample.halves[np.isfinite(sample.halves)]
    known = sample.knows_cells
    if not known and len(sample.values) < 2:
        return None
    parts = [(sample.seeds_variance, len(sample.values) - 1)]
    parts += [(float(halves.var(ddof=1)), len(halves) - 1)] if known else []
    half = sqrt(sum(part * _quantile(free) ** 2 for part, free in parts if free > 0))
    error = sqrt(sum(part for part, _ in parts))
    return Interval(low=sample.mean - half, high=sample.mean + half, sd=error)


def difference(first: Sample, second: Sample) -> Interval | None:
    """Return the interval of the first's mean less the second's; None where it is not known.

    Both were scored on the same halves of the same cells.
    """
    values, errors, freedoms = _differences([first, second])
    if not np.isfinite(errors[0, 1]):
        return None
    value, error = float(values[0, 1]), float(errors[0, 1])
    half = max(ROUNDING, float(_quantile(freedoms[0, 1])) * error)
    return Interval(low=value - half, high=value + half, sd=error)


def higher(first: Sample, second: Sample) -> bool:
    """Return whether the first is distinguishably higher than the second, as :func:`beats` says."""
    return bool(beats([first, second])[0, 1])


def beats(samples: Sequence[Sample]) -> NDArray[np.bool_]:
    """Return where sample i is distinguishably higher than sample j, (n, n).

    The interval of their paired difference lies above 0. Where it is not known, nothing is.
    """
    values, errors, freedoms = _differences(samples)
    reach = np.maximum(_quantile(freedoms) * errors, ROUNDING)
    return np.asarray(values > np.where(np.isfinite(reach), reach, np.inf))


def _differences(samples: Sequence[Sample]) -> tuple[Matrix, Matrix, Matrix]:
    """Return differences of means, their standard errors and degrees of freedom, (n, n) each.

    Entry i, j is of sample i less sample j; an error is NaN where it is not known: of too few
    halves that both have, and without any, of one seed.
    """
    means = np.array([sample.mean for sample in samples])
    seeds = np.array([sample.seeds_variance for sample in samples])
    n_seeds = np.array([len(sample.values) for sample in samples])
    cells, n_halves = _paired_variances([sample.halves for sample in samples])
    known = n_halves >= MIN_REPLICATES
    cells = np.where(known, cells, 0.0)
    sources = [(cells, n_halves - 1)]
    sources += [(seeds[:, None], n_seeds[:, None] - 1), (seeds[None, :], n_seeds[None, :] - 1)]
    errors, freedoms = _error(sources)
    seeds_alone = (n_seeds > 1) & ~np.array([sample.knows_cells for sample in samples])
    compared = known | (seeds_alone[:, None] & seeds_alone[None, :])
    return means[:, None] - means[None, :], np.where(compared, errors, np.nan), freedoms


def _paired_variances(series: Sequence[Replicates]) -> tuple[Matrix, Matrix]:
    """Return the variance of each difference of two series, and of how many halves, (n, n)."""
    longest = max((len(one) for one in series), default=0)
    table = np.full((len(series), longest), np.nan)
    for row, one in zip(table, series, strict=True):
        row[: len(one)] = one
    there = np.isfinite(table).astype(np.float64)
    table = np.where(there > 0, table, 0.0)
    number = there @ there.T
    sums, squares = table @ there.T, np.square(table) @ there.T
    deviation = squares + squares.T - 2 * table @ table.T
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation -= np.square(sums - sums.T) / number
        return np.maximum(deviation, 0.0) / (number - 1), number


def _error(sources: Sequence[tuple[Matrix | float, Matrix | float]]) -> tuple[Any, Any]:
    """Return the standard error of independent variances, and its degrees of freedom."""
    whole = sum(part for part, _ in sources)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = sum(
            np.where(np.asarray(part) > 0, np.square(part) / np.maximum(free, 1), 0.0)
            for part, free in sources
        )
        freedom = np.where(np.asarray(whole) > 0, np.square(whole) / shares, np.inf)
    return np.sqrt(whole), freedom


def _quantile(freedom: Any) -> Any:
    """Return Student's t that holds 95 % at so many degrees of freedom: 12.7 at one."""
    from scipy.special import stdtrit  # heavy, and only needed where scores are compared

    return stdtrit(np.minimum(freedom, 1e9), 0.975)
