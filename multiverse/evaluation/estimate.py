"""A value that can be computed again with cells weighted: what a bootstrap over cells needs.

The bootstrap is conditional on the embedding, its neighbours and its clusterings: what varies is
which cells were sampled (Efron and Tibshirani 1993), not the training, which seeds show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Cells = NDArray[np.intp]
#: How often each cell counts, (n,); all ones is the value itself.
Weights = NDArray[np.float64]
Statistic = Callable[[Weights], float]


@dataclass(frozen=True)
class Estimate:
    """A metric's value, and the same from resampled cells.

    ``cells``: rows of the dataset that it is computed from. ``again`` takes a weight for each of
    them; with all weights one it gives ``value``. ``parts``: the values behind a mean. ``remark``:
    what a reader of the value must know, in a sentence.
    """

    value: float
    cells: Cells
    again: Statistic
    parts: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""

    @classmethod
    def of(
        cls,
        cells: Cells,
        again: Statistic,
        parts: Mapping[str, float] | None = None,
        remark: str = "",
    ) -> Estimate:
        """Return the estimate whose value is the statistic of all cells (n_cells,)."""
        return cls(again(np.ones(len(cells))), cells, again, parts or {}, remark)

    def replicates(self, n_cells: int, number: int, seed: int) -> list[float | None]:
        """Yield the statistic of ``number`` resamples of the cells; None where it has none.

        The same seed draws the same cells for every metric, so that means over metrics can be
        taken resample by resample.
        """
        random = np.random.default_rng(seed)
        found = []
        for _ in range(number):
            drawn = np.bincount(random.integers(n_cells, size=n_cells), minlength=n_cells)
            weights = drawn[self.cells].astype(np.float64)
            with np.errstate(invalid="ignore", divide="ignore"):
                value = self.again(weights) if weights.any() else float("nan")
            found.append(float(value) if np.isfinite(value) else None)
        return found


def weighted_mean(values: Values) -> Statistic:
    """Return the mean of one value a cell."""
    return lambda weights: float(weights @ values / weights.sum())


def weighted_median(values: Values) -> Statistic:
    """Return the median of one value a cell, each as often as it was drawn."""
    return lambda weights: float(np.median(np.repeat(values, weights.astype(np.int64))))


def mean_of_groups(values: Values, groups: NDArray[np.int64]) -> Statistic:
    """Return the mean over groups of each group's mean; one that was not drawn is left out.

    ``values`` (n,) may hold NaN, which counts nowhere; ``groups`` (n,) are codes from 0.
    """
    there = np.isfinite(values)
    filled = np.where(there, values, 0.0)

    def again(weights: Weights) -> float:
        present = np.bincount(groups, weights=weights * there)
        sums = np.bincount(groups, weights=weights * filled)
        drawn = present > 0
        return float((sums[drawn] / present[drawn]).mean()) if drawn.any() else float("nan")

    return again
