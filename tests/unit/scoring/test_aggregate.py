"""Means over what is available, against an independent computation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiverse.scoring.aggregate import MIN_REPLICATES, aggregates, interval_of, score_of

from multiverse.contract.evaluation import ScoreLine
from multiverse.contract.scores import Group, MetricFacts, Reason, Score
from multiverse.runs.scores import Aggregate

NAMES = {"bio": ("b1", "b2", "b3"), "batch": ("m1", "m2"), "structure": ("s1",)}
FACTS = tuple(
    MetricFacts(name=name, title=name, group=Group(group), description=name)
    for group, names in NAMES.items()
    for name in names
)
VALUES = {"b1": 0.2, "b2": 0.4, "b3": 0.9, "m1": 0.5, "m2": 0.7, "s1": 0.99}


def line(
    metric: str, value: float | None = 0.5, replicates: Sequence[float | None] = ()
) -> ScoreLine:
    return ScoreLine(
        member="a",
        metric=metric,
        value=value,
        reason=None if value is not None else Reason.ONE_CLASS,
        replicates=tuple(replicates),
    )


def together(
    lines: Mapping[str, ScoreLine], facts: Sequence[MetricFacts] = FACTS
) -> tuple[Aggregate, Aggregate, Aggregate]:
    scores = {name: score_of(item) for name, item in lines.items()}
    return aggregates(lines, scores, facts)


def test_means_and_the_weighted_total() -> None:
    bio, batch, total = together({name: line(name, value) for name, value in VALUES.items()})
    assert bio.value == pytest.approx(0.5)
    assert batch.value == pytest.approx(0.6)
    assert total.value == pytest.approx(0.6 * 0.5 + 0.4 * 0.6)
    assert [item.coverage for item in (bio, batch, total)] == ["3/3", "2/2", "5/5"]
    assert bio.missing == batch.missing == total.missing == ()


def test_means_are_over_what_is_available_only() -> None:
    lines = {name: line(name, value) for name, value in VALUES.items()}
    lines["b3"] = line("b3", None)
    del lines["m2"]
    bio, batch, total = together(lines)
    assert bio.value == pytest.approx(0.3)
    assert batch.value == pytest.approx(0.5)
    assert total.value == pytest.approx(0.6 * 0.3 + 0.4 * 0.5)
    assert total.coverage == "3/5"
    assert total.missing == ("b3", "m2")


@pytest.mark.parametrize(("gone", "kept"), [("bio", "batch"), ("batch", "bio")])
def test_a_total_needs_both_groups(gone: str, kept: str) -> None:
    lines = {
        name: line(name, None if name in NAMES[gone] else value) for name, value in VALUES.items()
    }
    found = dict(zip(("bio", "batch", "total"), together(lines), strict=True))
    assert found[kept].value is not None
    assert found[gone].value is found["total"].value is None
    assert found[gone].reason == "none of its metrics is available"
    assert found["total"].reason == f"no {gone} metric is available"
    assert found["total"].interval is None
    assert found["total"].scaled is None
    assert found["total"].coverage == f"{len(NAMES[kept])}/5"


def test_structure_is_beside_the_total() -> None:
    lines = {name: line(name, value) for name, value in VALUES.items()}
    assert together(lines) == together({**lines, "s1": line("s1", -5.0)})


def test_a_value_of_zero_is_a_value() -> None:
    bio, _, _ = together({name: line(name, 0.0) for name in VALUES})
    assert (bio.value, bio.available) == (0.0, 3)


def drawn(seed: int, n: int = 200) -> list[float]:
    return [float(value) for value in np.random.default_rng(seed).beta(4, 3, size=n)]


def test_intervals_are_of_the_same_cells_in_all_metrics() -> None:
    """b1 and b2 move against each other: their mean is surer than either."""
    first = drawn(0)
    lines = {
        "b1": line("b1", 0.5, first),
        "b2": line("b2", 0.5, [1 - value for value in first]),
        "m1": line("m1", 0.4, drawn(1)),
        "m2": line("m2", 0.6, drawn(2)),
    }
    bio, batch, total = together(lines)
    assert bio.interval is not None
    assert bio.interval.sd == pytest.approx(0, abs=1e-12)
    assert bio.interval.high - bio.interval.low == pytest.approx(0, abs=1e-12)
    # By hand, without numpy's mean over axes.
    batches = [(a + b) / 2 for a, b in zip(drawn(1), drawn(2), strict=True)]
    totals = [0.6 * 0.5 + 0.4 * value for value in batches]
    for found, value, replicates in ((batch, 0.5, batches), (total, 0.5, totals)):
        assert found.interval is not None
        ordered = sorted(replicates)
        middle = math.fsum(replicates) / len(replicates)
        assert found.value == pytest.approx(value)
        low, high = (quantile(ordered, share) for share in (0.025, 0.975))
        assert found.interval.low == pytest.approx(value + low - middle)
        assert found.interval.high == pytest.approx(value + high - middle)
        variance = math.fsum((x - middle) ** 2 for x in replicates) / (len(replicates) - 1)
        assert found.interval.sd == pytest.approx(math.sqrt(variance))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between the order statistics, as R's type 7."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@given(
    st.lists(st.floats(0, 1), min_size=MIN_REPLICATES, max_size=60),
    st.floats(0, 1),
)
def test_an_interval_holds_its_value(replicates: list[float], value: float) -> None:
    found = interval_of(value, np.array(replicates))
    assert found is not None
    assert found.low <= found.high
    shifted = interval_of(value, np.array(replicates) + 0.25)
    assert shifted is not None
    assert shifted.low == pytest.approx(found.low, abs=1e-9)
    assert shifted.high == pytest.approx(found.high, abs=1e-9)


def test_few_replicates_give_no_interval() -> None:
    few = [*drawn(0, MIN_REPLICATES - 1), float("nan"), float("inf")]
    assert interval_of(0.5, np.array(few)) is None
    assert interval_of(0.5, np.array([*few, 0.5])) is not None
    assert score_of(line("b1", 0.5)).interval is None


def test_replicates_without_a_value_are_left_out_of_the_mean_too() -> None:
    """A resample in which one metric has no value is no resample of the mean."""
    holes: list[float | None] = [*drawn(0)]
    holes[3] = holes[7] = None
    both = {"b1": line("b1", 0.5, holes), "b2": line("b2", 0.5, drawn(1))}
    bio, _, _ = together(both)
    kept = [
        (a + b) / 2
        for i, (a, b) in enumerate(zip(drawn(0), drawn(1), strict=True))
        if i not in (3, 7)
    ]
    assert bio.interval is not None
    assert bio.interval == interval_of(0.5, np.array(kept))


def test_metrics_with_other_numbers_of_replicates_are_not_mixed() -> None:
    lines = {"b1": line("b1", 0.5, drawn(0)), "b2": line("b2", 0.5, drawn(1, 100))}
    bio, _, _ = together(lines)
    assert bio.value == pytest.approx(0.5)
    assert bio.interval is None


def test_no_value_is_kept_with_its_reason() -> None:
    found = score_of(line("b1", None, drawn(0)))
    assert found == Score(value=None, reason=Reason.ONE_CLASS)


def test_a_group_of_batch_that_could_look_at_no_batch_has_no_mean() -> None:
    """Graph connectivity needs labels alone: without batches it says nothing of mixing them."""
    facts = [
        fact.model_copy(update={"needs": ("labels", "batch")}) if fact.name == "m1" else fact
        for fact in FACTS
    ]
    lines = {name: line(name, value) for name, value in VALUES.items()}
    assert together(lines, facts)[1].value == pytest.approx(0.6)
    lines["m1"] = line("m1", None)
    # Isolated labels look at batches, but say nothing of mixing them.
    facts = [
        fact.model_copy(update={"needs": ("batch",)}) if fact.name == "b1" else fact
        for fact in facts
    ]
    _, batch, total = together(lines, facts)
    assert batch.value is None
    assert batch.reason == "no metric could look at batches"
    assert (total.value, total.coverage) == (None, "4/5")
