"""Scores between the controls, and means of what can be scaled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from multiverse.contract.scores import Group, MetricFacts, Reason, Score
from multiverse.runs.scores import Aggregate, Member, MemberKind, Weights
from multiverse.runs.totals import MIN_SPAN, scales_of, with_means

FACTS = tuple(
    MetricFacts(name=name, title=name, group=group, description=name)
    for name, group in (("b1", Group.BIO), ("b2", Group.BIO), ("m1", Group.BATCH))
)


def member(b1: float | None, b2: float = 0.5, m1: float = 0.5) -> Member:
    scores = {
        "b1": Score(value=b1, reason=Reason.ONE_CLASS if b1 is None else None),
        "b2": Score(value=b2),
        "m1": Score(value=m1),
    }
    mean = Aggregate(value=0.5, available=1, of=2)
    return Member(kind=MemberKind.RUN, name="m", scores=scores, bio=mean, batch=mean, total=mean)


def rescaled(
    item: Member, there: Mapping[str, Member], facts: Sequence[MetricFacts] = FACTS
) -> Member:
    return with_means(item, facts, Weights(), scales_of(there, facts))


def controls(random: float | None, oracle: float | None) -> dict[str, Member]:
    return {
        "random": member(random, 0.0, 0.4),
        "label_oracle": member(oracle, 1.0, 0.4),
    }


@pytest.mark.parametrize(
    ("value", "scaled", "clipped"),
    [(0.2, 0.0, False), (0.8, 1.0, False), (0.5, 0.5, False), (0.1, 0.0, True), (0.9, 1.0, True)],
)
def test_between_random_and_oracle(value: float, scaled: float, clipped: bool) -> None:
    found = rescaled(member(value), controls(0.2, 0.8)).scores["b1"]
    assert found.value == value
    assert found.scaled == pytest.approx(scaled)
    assert found.clipped is clipped


@pytest.mark.parametrize(
    ("random", "oracle"),
    [(0.5, 0.5), (0.5, 0.5 + MIN_SPAN / 2), (0.8, 0.2), (None, 0.9), (0.1, None)],
)
def test_controls_that_span_nothing_scale_nothing(
    random: float | None, oracle: float | None
) -> None:
    found = rescaled(member(0.5), controls(random, oracle)).scores["b1"]
    assert (found.scaled, found.clipped) == (None, False)


def test_means_say_how_many_of_their_metrics_are_scaled() -> None:
    """The controls are equal on m1: there is no scaled batch, and so no scaled total."""
    found = rescaled(member(0.9, 0.25), controls(0.2, 0.8))
    assert found.bio.scaled == pytest.approx((1.0 + 0.25) / 2)
    assert (found.bio.scaled_available, found.bio.scaled_clipped) == (2, True)
    assert (found.batch.scaled, found.batch.scaled_available) == (None, 0)
    assert (found.total.scaled, found.total.scaled_available) == (None, 0)
    without = rescaled(member(None, 0.25), controls(0.2, 0.8))
    assert without.bio.scaled == pytest.approx(0.25)
    assert (without.bio.scaled_available, without.bio.scaled_clipped) == (1, False)


def test_a_control_that_is_computed_anew_counts_for_members_of_before() -> None:
    lost = rescaled(member(0.5), controls(None, 0.8))
    assert lost.scores["b1"].scaled is None
    healed = rescaled(lost, controls(0.2, 0.8))
    assert healed.scores["b1"].scaled == pytest.approx(0.5)
    assert healed.bio.scaled_available == 2


def test_a_scaled_total_of_zero_is_one() -> None:
    """That of the random control: as many metrics as any other member's."""
    spans = {"random": member(0.2, 0.0, 0.4), "label_oracle": member(0.8, 1.0, 0.9)}
    found = rescaled(spans["random"], spans).total
    assert (found.scaled, found.scaled_available) == (0.0, 3)


MIXING = MetricFacts(name="m1", title="m1", group=Group.BATCH, description="m1", needs=("batch",))


def test_of_mixing_the_random_embedding_is_one_and_the_worst_control_zero() -> None:
    """Random mixes perfectly: it can't be the worst, nor the labels the best."""
    there = {
        "random": member(0.2, m1=0.9),
        "label_oracle": member(0.8, m1=0.5),
        "batch_one_hot": member(0.2, m1=0.1),
        "pca_rna": member(0.4, m1=0.3),
        "pca_adt": member(0.4, m1=0.05),
    }
    facts = (*FACTS[:2], MIXING)
    for value, scaled, clipped in ((0.05, 0, False), (0.475, 0.5, False), (0.95, 1, True)):
        found = rescaled(member(0.5, m1=value), there, facts).scores["m1"]
        assert found.scaled == pytest.approx(scaled)
        assert found.clipped is clipped


def test_mixing_has_no_scale_without_a_control_that_mixes_nothing() -> None:
    there = {"random": member(0.2, m1=0.9), "label_oracle": member(0.8, m1=0.5)}
    assert "m1" not in scales_of(there, (*FACTS[:2], MIXING))


def test_structure_has_no_scale() -> None:
    """The labels are no upper bound of it: every model would be clipped to 1."""
    facts = (FACTS[0], FACTS[1].model_copy(update={"group": Group.STRUCTURE}), FACTS[2])
    assert rescaled(member(0.5), controls(0.2, 0.8), facts).scores["b2"].scaled is None
