"""A value that can be computed again from some of the cells: what an interval over cells needs.

The variance of a statistic over random halves of the cells, drawn without replacement, estimates
that of the statistic of all cells (the jackknife that deletes half: Shao and Wu 1989, doi
10.1214/aos/1176347263). No cell is drawn twice, so that clusters can be found anew in a half. What
varies is which cells were sampled; the embedding stays, and with it the chance in training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.evaluation import EvaluationSettings

Values = NDArray[np.float64]
Cells = NDArray[np.intp]
#: Whether each cell counts, (n,): 1 or 0; all ones is the value itself.
Weights = NDArray[np.float64]
Statistic = Callable[[Weights], float]


@dataclass(frozen=True)
class Estimate:
    """A metric's value, and the same from some of the cells.

    ``cells``: rows of the dataset that it is computed from. ``again`` takes a weight for each of
    them; with all weights one it gives ``value``. ``parts``: the values behind a mean.
    ``variants``: the metric computed otherwise, as other software does. ``remark``: what a reader
    of the value must know, in a sentence. ``finds_clusters``: ``again`` finds clusters anew, which
    is done for the first halves only.
    """

    value: float
    cells: Cells
    again: Statistic
    parts: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""
    variants: Mapping[str, float] = field(default_factory=dict)
    finds_clusters: bool = False

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

    def replicates(self, n_cells: int, settings: EvaluationSettings) -> list[float | None]:
        """Return the statistic of random halves of the cells; None where it has none.

        The same seed draws the same halves for every metric and embedding, so that means over
        metrics and differences between embeddings can be taken half by half.
        """
        random = np.random.default_rng(settings.seed)
        found: list[float | None] = []
        for number in range(settings.replicates):
            drawn = np.zeros(n_cells)
            drawn[random.permutation(n_cells)[: n_cells // 2]] = 1.0
            skipped = self.finds_clusters and number >= settings.cluster_replicates
            found.append(None if skipped else self._of_half(drawn[self.cells]))
        return found

    def _of_half(self, weights: Weights) -> float | None:
        with np.errstate(invalid="ignore", divide="ignore"):
            value = self.again(weights) if weights.any() else float("nan")
        return float(f"{value:.6g}") if np.isfinite(value) else None


def weighted_mean(values: Values) -> Statistic:
    """Return the mean of one value a cell."""
    return lambda weights: float(weights @ values / weights.sum())


def weighted_median(values: Values) -> Statistic:
    """Return the median of one value a cell, of the cells that were drawn."""
    return lambda weights: float(np.median(values[weights > 0]))


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
