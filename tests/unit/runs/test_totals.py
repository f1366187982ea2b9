"""Means over what is available, against an independent computation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import t

from multiverse.contract.scores import Group, MetricFacts, Reason, Score
from multiverse.runs.intervals import MIN_REPLICATES, Sample, interval_of
from multiverse.runs.scores import Aggregate, Member, MemberKind, Weights
from multiverse.runs.totals import with_means

USUAL = Weights()
NAMES = {"bio": ("b1", "b2", "b3"), "batch": ("m1", "m2"), "structure": ("s1",)}
FACTS = tuple(
    MetricFacts(name=name, title=name, group=Group(group), description=name)
    for group, names in NAMES.items()
    for name in names
)
VALUES = {"b1": 0.2, "b2": 0.4, "b3": 0.9, "m1": 0.5, "m2": 0.7, "s1": 0.99}


def score(value: float | None = 0.5, replicates: Sequence[float | None] = ()) -> Score:
    return Score(
        value=value,
        reason=None if value is not None else Reason.ONE_CLASS,
        replicates=tuple(replicates),
    )


def together(
    scores: Mapping[str, Score],
    facts: Sequence[MetricFacts] = FACTS,
    weights: Weights = USUAL,
) -> tuple[Aggregate, Aggregate, Aggregate]:
    nothing = Aggregate(value=None, available=0, of=0)
    member = Member(
        kind=MemberKind.RUN,
        name="m",
        scores=dict(scores),
        bio=nothing,
        batch=nothing,
        total=nothing,
    )
    found = with_means(member, facts, weights, {})
    return found.bio, found.batch, found.total


def test_means_and_the_weighted_total() -> None:
    bio, batch, total = together({name: score(value) for name, value in VALUES.items()})
    assert bio.value == pytest.approx(0.5)
    assert batch.value == pytest.approx(0.6)
    assert total.value == pytest.approx(0.6 * 0.5 + 0.4 * 0.6)
    assert [item.coverage for item in (bio, batch, total)] == ["3/3", "2/2", "5/5"]
    assert bio.missing == batch.missing == total.missing == ()


def test_means_are_over_what_is_available_only() -> None:
    lines = {name: score(value) for name, value in VALUES.items()}
    lines["b3"] = score(None)
    del lines["m2"]
    bio, batch, total = together(lines)
    assert bio.value == pytest.approx(0.3)
    assert batch.value == pytest.approx(0.5)
    assert total.value == pytest.approx(0.6 * 0.3 + 0.4 * 0.5)
    assert total.coverage == "3/5"
    assert total.missing == ("b3", "m2")


@pytest.mark.parametrize(("gone", "kept"), [("bio", "batch"), ("batch", "bio")])
def test_a_total_needs_both_groups(gone: str, kept: str) -> None:
    lines = {name: score(None if name in NAMES[gone] else value) for name, value in VALUES.items()}
    found = dict(zip(("bio", "batch", "total"), together(lines), strict=True))
    assert found[kept].value is not None
    assert found[gone].value is found["total"].value is None
    assert found[gone].reason == "none of its metrics is available"
    assert found["total"].reason == f"no {gone} metric is available"
    assert found["total"].interval is None
    assert found["total"].scaled is None
    assert found["total"].coverage == f"{len(NAMES[kept])}/5"


def test_structure_is_beside_the_total() -> None:
    lines = {name: score(value) for name, value in VALUES.items()}
    assert together(lines) == together({**lines, "s1": score(-5.0)})


def test_a_value_of_zero_is_a_value() -> None:
    bio, _, _ = together({name: score(0.0) for name in VALUES})
    assert (bio.value, bio.available) == (0.0, 3)


def drawn(seed: int, n: int = 200) -> list[float]:
    return [float(value) for value in np.random.default_rng(seed).beta(4, 3, size=n)]


def test_intervals_are_of_the_same_cells_in_all_metrics() -> None:
    """b1 and b2 move against each other: their mean is surer than either."""
    first = drawn(0)
    lines = {
        "b1": score(0.5, first),
        "b2": score(0.5, [1 - value for value in first]),
        "m1": score(0.4, drawn(1)),
        "m2": score(0.6, drawn(2)),
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
        middle = math.fsum(replicates) / len(replicates)
        variance = math.fsum((x - middle) ** 2 for x in replicates) / (len(replicates) - 1)
        half = float(t.ppf(0.975, len(replicates) - 1)) * math.sqrt(variance)
        assert found.value == pytest.approx(value)
        assert found.interval.low == pytest.approx(value - half)
        assert found.interval.high == pytest.approx(value + half)
        assert found.interval.sd == pytest.approx(math.sqrt(variance))


def test_few_replicates_give_no_interval() -> None:
    few = drawn(0, MIN_REPLICATES - 1)
    assert together({"b1": score(0.5, [*few, None])})[0].interval is None
    assert together({"b1": score(0.5, [*few, 0.5])})[0].interval is not None
    assert together({"b1": score(0.5)})[0].interval is None


def test_replicates_without_a_value_are_left_out_of_the_mean_too() -> None:
    """A half in which one metric has no value gives none of the mean."""
    holes: list[float | None] = [*drawn(0)]
    holes[3] = holes[7] = None
    both = {"b1": score(0.5, holes), "b2": score(0.5, drawn(1))}
    bio, _, _ = together(both)
    kept = [
        (a + b) / 2
        for i, (a, b) in enumerate(zip(drawn(0), drawn(1), strict=True))
        if i not in (3, 7)
    ]
    assert bio.interval is not None
    assert bio.interval == interval_of(Sample((0.5,), (np.array(kept),)))


def test_metrics_with_other_numbers_of_replicates_are_not_mixed() -> None:
    lines = {"b1": score(0.5, drawn(0)), "b2": score(0.5, drawn(1, 100))}
    bio, _, _ = together(lines)
    assert bio.value == pytest.approx(0.5)
    assert bio.interval is None


def test_weights_are_of_groups_and_of_metrics_in_theirs() -> None:
    scores = {name: score(value) for name, value in VALUES.items()}
    weights = Weights(bio=1, batch=3, metrics={"b3": 0.0, "b1": 3.0})
    bio, batch, total = together(scores, weights=weights)
    assert bio.value == pytest.approx((3 * 0.2 + 0.4) / 4)
    assert batch.value == pytest.approx(0.6)
    assert total.value == pytest.approx((0.25 + 3 * 0.6) / 4)
    assert (bio.coverage, total.coverage) == ("2/2", "4/4"), "b3 is in no mean"


def test_weights_of_zero_do_not_make_a_batch_score_of_connectivity_alone() -> None:
    facts = [
        fact.model_copy(update={"needs": ("labels", "batch")}) if fact.name == "m1" else fact
        for fact in FACTS
    ]
    scores = {name: score(value) for name, value in VALUES.items()}
    _, batch, total = together(scores, facts, Weights(metrics={"m1": 0.0}))
    assert (batch.value, total.value) == (None, None)


def test_weights_that_weigh_nothing_are_refused() -> None:
    for wrong in ({"bio": 0}, {"bio": -1}, {"metrics": {"b1": -0.1}}):
        with pytest.raises(ValidationError):
            Weights.model_validate(wrong)


def test_a_group_of_batch_that_could_look_at_no_batch_has_no_mean() -> None:
    """Graph connectivity needs labels alone: without batches it says nothing of mixing them."""
    facts = [
        fact.model_copy(update={"needs": ("labels", "batch")}) if fact.name == "m1" else fact
        for fact in FACTS
    ]
    lines = {name: score(value) for name, value in VALUES.items()}
    assert together(lines, facts)[1].value == pytest.approx(0.6)
    lines["m1"] = score(None)
    # Isolated labels look at batches, but say nothing of mixing them.
    facts = [
        fact.model_copy(update={"needs": ("batch",)}) if fact.name == "b1" else fact
        for fact in facts
    ]
    _, batch, total = together(lines, facts)
    assert batch.value is None
    assert batch.reason == "graph connectivity alone, which looks at no batch, makes no batch score"
    assert (total.value, total.coverage) == (None, "4/5")
