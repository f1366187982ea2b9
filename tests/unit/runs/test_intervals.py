"""Intervals of scores and of differences: by hand, and by what they hold over many draws."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import variance

import numpy as np
import pytest
from numpy.random import Generator
from scipy.stats import t, ttest_ind

from multiverse.runs.intervals import (
    MIN_REPLICATES,
    ROUNDING,
    Sample,
    beats,
    difference,
    higher,
    interval_of,
)

HALVES = 20
DRAWS = 800


def sample_of(values: Sequence[float], *series: Sequence[float]) -> Sample:
    return Sample(tuple(values), tuple(np.array(one, dtype=float) for one in series))


def drawn(seed: int, n: int = HALVES, sd: float = 0.01) -> list[float]:
    return [float(value) for value in np.random.default_rng(seed).normal(0.5, sd, size=n)]


def test_one_seed_has_the_sampling_of_cells() -> None:
    series = drawn(0)
    found = interval_of(sample_of([0.6], series))
    assert found is not None
    error = sqrt(variance(series))
    assert found.sd == pytest.approx(error)
    half = t.ppf(0.975, HALVES - 1) * error
    assert (found.low, found.high) == pytest.approx((0.6 - half, 0.6 + half))


def test_seeds_add_their_variance_over_n_and_the_cells_do_not_shrink() -> None:
    """Each deviation with Student's t of its own degrees of freedom."""
    values, series = [0.5, 0.52, 0.57], [drawn(seed) for seed in range(3)]
    found = interval_of(sample_of(values, *series))
    assert found is not None
    cells = variance([sum(three) / 3 for three in zip(*series, strict=True)])
    seeds = variance(values) / 3
    assert found.sd == pytest.approx(sqrt(cells + seeds))
    parts = (cells, t.ppf(0.975, HALVES - 1)), (seeds, t.ppf(0.975, 2))
    half = sqrt(sum(part * reach**2 for part, reach in parts))
    assert (found.low, found.high) == pytest.approx(
        (sum(values) / 3 - half, sum(values) / 3 + half)
    )


def test_without_halves_a_difference_is_welchs_test() -> None:
    first, second = [0.51, 0.56, 0.53, 0.58], [0.45, 0.55, 0.4]
    found = difference(sample_of(first), sample_of(second))
    expected = ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_difference_is_taken_half_by_half() -> None:
    """What both owe to the same cells is no doubt about which is better."""
    series = drawn(0, sd=0.1)
    first, second = sample_of([0.51], [value + 0.01 for value in series]), sample_of([0.5], series)
    found = difference(first, second)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.01, 0.01), abs=1.1 * ROUNDING)
    assert higher(first, second)
    assert not higher(second, first)
    own = interval_of(first), interval_of(second)
    assert own[0] is not None
    assert own[1] is not None
    assert own[0].low < own[1].high


def test_many_are_compared_as_two_are() -> None:
    random = np.random.default_rng(1)
    samples = []
    for number in range(12):
        n = 1 + number % 3
        samples.append(
            sample_of(
                list(random.normal(0.5, 0.02, size=n)),
                *[list(random.normal(0.5, 0.02, size=HALVES)) for _ in range(n)],
            )
        )
    samples[3].replicates[0][:4] = np.nan
    found = beats(samples)
    for i, first in enumerate(samples):
        for j, second in enumerate(samples):
            one = difference(first, second)
            assert one is not None
            assert found[i, j] == (one.low > 0 and i != j)


def test_halves_without_a_value_are_left_out_of_a_difference() -> None:
    holes, whole = drawn(0), drawn(1)
    holes[3] = holes[7] = float("nan")
    kept = [i for i in range(HALVES) if i not in (3, 7)]
    found = difference(sample_of([0.5], holes), sample_of([0.4], whole))
    same = difference(
        sample_of([0.5], [holes[i] for i in kept]), sample_of([0.4], [whole[i] for i in kept])
    )
    assert found is not None
    assert same is not None
    assert (found.low, found.high) == pytest.approx((same.low, same.high))


def test_little_is_nothing_known() -> None:
    few = drawn(0, MIN_REPLICATES - 1)
    assert interval_of(sample_of([0.5], few)) is None
    assert interval_of(sample_of([0.5])) is None
    assert difference(sample_of([0.5], few), sample_of([0.4], few)) is None
    assert interval_of(sample_of([0.5, 0.6])) is not None
    assert not higher(sample_of([0.5]), sample_of([0.4])), "nothing is known, so nothing is higher"
    # Halves of one side only, or hardly any that both have.
    assert difference(sample_of([0.7, 0.71]), sample_of([0.5], drawn(0))) is None
    first, second = drawn(0), drawn(1)
    first[12:], second[:8] = [float("nan")] * 8, [float("nan")] * 8
    assert difference(sample_of([0.5], first), sample_of([0.4], second)) is None


def test_rounding_is_no_difference() -> None:
    """Values in halves are kept to six digits: two embeddings that are one have equal halves."""
    series = drawn(0)
    first, second = sample_of([0.5 + 1e-9], series), sample_of([0.5], series)
    assert not higher(first, second)
    assert higher(sample_of([0.5 + 1e-4], series), second)


class World:
    """Scores of models with a known truth: the chance in training, and that of the cells.

    The cells' part is the same for all seeds, and shared by models but for a part of its own.
    """

    def __init__(self, random: Generator, *, training: float, cells: float, own: float) -> None:
        self._random = random
        self._training, self._cells, self._own = training, cells, own
        self._shared = random.normal(0, cells)
        self._halves = random.normal(0, cells, size=HALVES)

    def model(self, truth: float, n: int) -> Sample:
        random = self._random
        cells = self._shared + random.normal(0, self._own)
        halves = self._halves + random.normal(0, self._own, size=HALVES)
        values = truth + cells + random.normal(0, self._training, size=n)
        return Sample(tuple(map(float, values)), tuple(halves + value for value in values))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("training", [0.0, 0.01, 0.05])
def test_intervals_hold_the_truth_in_95_of_100(n: int, training: float) -> None:
    """Of a mean, and of a difference. One seed says nothing of training, and can't hold it."""
    if n == 1 and training:
        return
    random = np.random.default_rng([n, round(1000 * training)])
    held = {"mean": 0, "difference": 0}
    for _ in range(DRAWS):
        world = World(random, training=training, cells=0.01, own=0.01)
        first, second = world.model(0.6, n), world.model(0.6, n)
        mean, apart = interval_of(first), difference(first, second)
        assert mean is not None
        assert apart is not None
        held["mean"] += mean.low <= 0.6 <= mean.high
        held["difference"] += apart.low <= 0 <= apart.high
    assert held["mean"] / DRAWS >= 0.93
    assert 0.93 <= held["difference"] / DRAWS <= 0.97


@pytest.mark.parametrize(("n", "power"), [(3, 0.85), (5, 0.98), (10, 0.98)])
def test_a_difference_of_four_deviations_is_found(n: int, power: float) -> None:
    """Of seeds; and more seeds find smaller ones."""
    random = np.random.default_rng(n)
    found = {4.0: 0, 1.5: 0}
    for apart in found:
        for _ in range(DRAWS):
            world = World(random, training=0.01, cells=0.02, own=0.001)
            found[apart] += higher(world.model(0.6 + 0.01 * apart, n), world.model(0.6, n))
    assert found[4.0] / DRAWS >= power
    if n == 10:
        assert found[1.5] / DRAWS >= 0.8


@pytest.mark.parametrize("n", [1, 3, 10])
def test_of_six_equal_models_few_are_called_worse(n: int) -> None:
    """Each is held against five others at 95 %: that is not corrected for, and is known."""
    random = np.random.default_rng(n)
    called = 0
    for _ in range(DRAWS):
        world = World(random, training=0.01 if n > 1 else 0.0, cells=0.02, own=0.01)
        wins = beats([world.model(0.6, n) for _ in range(6)])
        called += int(wins.sum())
    assert called / (DRAWS * 30) <= 0.03  # one-sided 2.5 % a pair
