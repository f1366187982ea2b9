"""From scores of runs to rows of the comparison: seeds, intervals, ranks, ties, labels."""

from __future__ import annotations

from collections.abc import Mapping
from math import hypot, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from scipy.stats import t

from multiverse.contract.scores import Reason, Score
from multiverse.report.summary import Comparison, compare_configurations
from multiverse.runs.record import RunRecord
from multiverse.runs.run import Run
from multiverse.runs.scores import Member
from tests.unit.report.made import HALVES, make_evaluation, make_member, make_record


def comparison(*scored: tuple[RunRecord, Member], **changes: Any) -> Comparison:
    members = {record.run_id: member for record, member in scored}
    runs = [Run(record, Path("somewhere")) for record, _ in scored]
    return compare_configurations(make_evaluation(members, **changes), runs)


def test_seeds_of_one_configuration_are_one_row() -> None:
    values = [0.5, 0.6, 0.7]
    found = comparison(
        *(
            (make_record(seed=seed), make_member("pca", value, 0.5))
            for seed, value in enumerate(values)
        )
    )
    (row,) = found.configurations
    assert [run.record.seed for run in row.runs] == [0, 1, 2]
    assert row.bio.value == pytest.approx(fmean(values))
    assert row.bio.sd == pytest.approx(stdev(values))
    assert row.bio.n == 3
    assert row.bio.interval is not None
    assert row.bio.interval.sd == pytest.approx(hypot(stdev(values) / sqrt(3), 0.01))
    reach = float(t.ppf(0.975, 2)), float(t.ppf(0.975, HALVES - 1))
    half = hypot(reach[0] * stdev(values) / sqrt(3), reach[1] * 0.01)
    assert row.bio.interval.high - row.bio.interval.low == pytest.approx(2 * half)


def test_one_seed_keeps_its_own_interval() -> None:
    member = make_member("pca", 0.5, 0.5)
    (row,) = comparison((make_record(), member)).configurations
    assert row.total.interval is not None
    assert member.total.interval is not None
    assert row.total.interval.low == pytest.approx(member.total.interval.low)
    assert row.total.interval.high == pytest.approx(member.total.interval.high)
    assert row.total.sd is None
    assert row.total.coverage == "4/4"


def test_the_indistinguishable_share_a_rank() -> None:
    found = comparison(
        (make_record("pca"), make_member("pca", 0.5, 0.5)),
        (make_record("mofa"), make_member("mofa", 0.7, 0.7)),
        (make_record("cobolt"), make_member("cobolt", 0.71, 0.7)),
        (make_record("mowgli"), make_member("mowgli", 0.5, 0.501)),
    )
    assert [(row.label, row.rank, row.shares_rank) for row in found.configurations] == [
        ("cobolt", 1, True),
        ("mofa", 1, True),
        ("mowgli", 3, True),
        ("pca", 3, True),
    ]
    assert [row.tied for row in found.configurations] == [("mofa",), ("cobolt",), (), ()]
    assert (found.ranked_by, found.coverage_differs) == ("total", False)


def test_a_rank_is_shared_with_its_first_whatever_lies_between() -> None:
    """Of many seeds that scatter, of two that agree: the last can't be told from the first."""
    wide = [(seed, value) for seed, value in enumerate((0.64, 0.75, 0.86))]
    found = comparison(
        (make_record("pca"), make_member("pca", 0.80, 0.80)),
        (make_record("mofa"), make_member("mofa", 0.76, 0.76)),
        *((make_record("cobolt", seed), make_member("cobolt", v, v)) for seed, v in wide),
    )
    assert [(row.label, row.rank, row.tied) for row in found.configurations] == [
        ("pca", 1, ("cobolt",)),
        ("mofa", 3, ()),
        ("cobolt", 1, ("pca",)),
    ]


def test_structure_has_no_interval_whatever_the_seeds() -> None:
    """The stability of two seeds is one number twice."""
    records = [make_record(seed=seed) for seed in (0, 1)]
    found = comparison(*((record, make_member("pca", 0.5, 0.5)) for record in records))
    cell = found.configurations[0].metrics["neighbourhood_preservation"]
    assert (cell.value, cell.n, cell.interval, cell.sample) == (0.25, 2, None, None)


def test_the_same_cells_tell_models_apart_whose_intervals_overlap() -> None:
    """All of a model's halves are 0.01 better: what both share by their cells is no doubt."""
    members = {
        name: make_member(name, value, 0.5) for name, value in (("pca", 0.5), ("mofa", 0.51))
    }
    shared = members["pca"].scores
    better = {
        name: score.model_copy(
            update={"replicates": tuple((value or 0.0) + 0.01 for value in shared[name].replicates)}
        )
        for name, score in members["mofa"].scores.items()
        if score.replicates
    }
    members["mofa"] = members["mofa"].model_copy(
        update={"scores": {**members["mofa"].scores, **better}}
    )
    found = comparison(*((make_record(name), member) for name, member in members.items()))
    first, second = found.configurations
    assert (first.label, first.rank, first.tied) == ("mofa", 1, ())
    assert (second.label, second.rank) == ("pca", 2)
    assert first.bio.interval is not None
    assert second.bio.interval is not None
    assert first.bio.interval.low < second.bio.interval.high


def test_without_a_batch_ranks_are_of_bio_and_hold_ties_too() -> None:
    found = comparison(
        (make_record("pca"), make_member("pca", 0.5, None)),
        (make_record("mofa"), make_member("mofa", 0.5001, None)),
    )
    assert found.ranked_by == "bio"
    assert [(row.rank, row.tied) for row in found.configurations] == [(1, ("pca",)), (1, ("mofa",))]


def test_neither_mixing_nor_structure_alone_ranks() -> None:
    """A random embedding mixes best; what is kept is kept of one reference."""
    found = comparison(
        (make_record("pca"), make_member("pca", None, 0.5)),
        (make_record("mofa"), make_member("mofa", None, 0.9)),
    )
    assert found.ranked_by == ""
    assert [row.rank for row in found.configurations] == [None, None]


def test_without_intervals_nothing_is_told_apart() -> None:
    found = comparison(
        (make_record("pca"), make_member("pca", 0.5, 0.5, sd=None)),
        (make_record("mofa"), make_member("mofa", 0.6, 0.5, sd=None)),
    )
    assert [(row.label, row.rank, row.tied) for row in found.configurations] == [
        ("mofa", 1, ("pca",)),
        ("pca", 1, ("mofa",)),
    ]


def test_other_metrics_are_not_ranked_with_the_rest() -> None:
    short = make_member("cobolt", 0.9, 0.9)
    gone = short.scores["bras"].model_copy(update={"value": None, "reason": "metric_failed"})
    short = short.model_copy(update={"scores": {**short.scores, "bras": gone}})
    found = comparison(
        (make_record("pca"), make_member("pca", 0.5, 0.5)),
        (make_record("mofa"), make_member("mofa", 0.6, 0.6)),
        (make_record("cobolt"), short),
    )
    rows = {row.label: row for row in found.configurations}
    assert found.coverage_differs
    assert (rows["cobolt"].rank, rows["cobolt"].comparable) == (None, False)
    assert (rows["mofa"].rank, rows["pca"].rank) == (1, 2)
    assert rows["cobolt"].metrics["bras"].reasons == ("metric_failed",)


def without(member: Member, metric: str, available: Mapping[str, int]) -> Member:
    """The member, one metric of which failed; ``available``: what its means are over then."""
    gone = Score(value=None, reason=Reason.METRIC_FAILED)
    means = {
        name: getattr(member, name).model_copy(update={"available": number, "missing": (metric,)})
        for name, number in available.items()
    }
    return member.model_copy(update={"scores": {**member.scores, metric: gone}, **means})


def test_seeds_with_different_metrics_are_not_ranked() -> None:
    """The second seed's total is a mean over other metrics than the first one's."""
    whole = make_member("mofa", 0.9, 0.9)
    found = comparison(
        (make_record("pca"), make_member("pca", 0.5, 0.5)),
        (make_record("mofa", 0), whole),
        (make_record("mofa", 1), without(whole, "bras", {"batch": 1, "total": 3})),
    )
    rows = {row.label: row for row in found.configurations}
    assert found.coverage_differs
    assert (rows["mofa"].rank, rows["mofa"].comparable) == (None, False)
    assert rows["mofa"].in_total == rows["pca"].in_total - {"bras"}
    assert rows["mofa"].varying == {"bras"}
    assert (rows["mofa"].total.coverage, rows["mofa"].bio.coverage) == ("4/4 3/4", "2/2")
    assert (rows["pca"].rank, rows["pca"].comparable, rows["pca"].tied) == (1, True, ())


def test_as_many_but_other_metrics_are_other_metrics() -> None:
    whole = make_member("mofa", 0.5, 0.5)
    (row,) = comparison(
        (make_record("mofa", 0), without(whole, "bras", {"batch": 1, "total": 3})),
        (make_record("mofa", 1), without(whole, "kbet_per_label", {"batch": 1, "total": 3})),
    ).configurations
    assert row.total.coverage == "3/4 3/4"
    assert (row.rank, row.comparable) == (None, False)
    assert row.varying == {"bras", "kbet_per_label"}


def test_scaled_means_have_a_coverage_of_their_own() -> None:
    member = make_member("pca", 0.5, 0.5)
    scaled = member.bio.model_copy(update={"scaled_available": 1, "scaled_clipped": True})
    (row,) = comparison((make_record(), member.model_copy(update={"bio": scaled}))).configurations
    assert (row.bio.coverage, row.bio.scaled_coverage, row.bio.clipped) == ("2/2", "1/2", True)
    assert (row.batch.scaled_coverage, row.batch.clipped) == ("", False)


def test_without_a_total_rows_come_last_and_have_no_rank() -> None:
    found = comparison(
        (make_record("pca"), make_member("pca", None, 0.9)),
        (make_record("mofa"), make_member("mofa", 0.1, 0.1)),
    )
    assert [(row.label, row.rank) for row in found.configurations] == [("mofa", 1), ("pca", None)]
    missing = found.configurations[1]
    assert missing.total.value is None
    assert missing.total.reasons == ("it needs both groups",)
    assert missing.metrics["clisi"].reasons == ("obs has no such column",)


def test_a_lost_seed_does_not_cost_the_others_their_rank() -> None:
    lost = make_member("pca", None, None)
    found = comparison(
        (make_record("pca", seed=0), make_member("pca", 0.8, 0.8)),
        (make_record("pca", seed=1), make_member("pca", 0.7, 0.7)),
        (make_record("pca", seed=2), lost),
        (make_record("mofa"), make_member("mofa", 0.1, 0.1)),
    )
    first, second = found.configurations
    assert [(row.label, row.rank) for row in (first, second)] == [("pca", 1), ("mofa", 2)]
    assert (list(first.varying), first.comparable, found.coverage_differs) == ([], True, False)
    assert (first.total.n, first.total.coverage) == (2, "4/4")


def test_scores_of_an_embedding_that_was_made_again_are_not_the_runs() -> None:
    made = make_record("pca", checksums={"embeddings.h5": "sha256:" + "1" * 64})
    scored = make_member("pca", 0.9, 0.9).model_copy(update={"checksum": "sha256:" + "2" * 64})
    other = (make_record("mofa"), make_member("mofa", 0.1, 0.1))
    assert [row.label for row in comparison((made, scored), other).configurations] == ["mofa"]
    current = scored.model_copy(update={"checksum": "sha256:" + "1" * 64})
    assert len(comparison((made, current), other).configurations) == 2


def test_parts_and_controls() -> None:
    found = comparison((make_record(), make_member("pca", 0.5, 0.5)))
    (row,) = found.configurations
    assert row.metrics["neighbourhood_preservation"].parts == {"adt": 0.3, "rna": 0.2}
    assert "neighbourhood_preservation" not in row.in_total
    assert [control.label for control in found.controls] == ["random", "label_oracle"]
    assert all(control.rank is None and control.runs == () for control in found.controls)


def test_labels_are_unique_and_short() -> None:
    records = [
        make_record(),
        make_record(changed={"n": 5}, parameters={"n_components": 5}),
        make_record(preprocessing={"scale": False}),
        make_record(changed={"name": "x" * 1_000_000}, parameters={"n_components": 6}),
        make_record(changed={"name": "x" * 1_000_000 + "y"}, parameters={"n_components": 7}),
    ]
    found = comparison(*((record, make_member("pca", 0.5, 0.5)) for record in records))
    labels = {row.key: row.label for row in found.configurations}
    assert len(set(labels.values())) == len(records)
    assert labels[records[1].configuration] == "pca n=5"
    assert max(map(len, labels.values())) < 60


def test_runs_that_were_not_scored_are_left_out() -> None:
    record, other = make_record(), make_record("mofa")
    evaluation = make_evaluation({record.run_id: make_member("pca", 0.5, 0.5)})
    runs = [Run(item, Path("somewhere")) for item in (record, other)]
    assert [row.model for row in compare_configurations(evaluation, runs).configurations] == ["pca"]


def test_only_the_seed_is_no_part_of_a_configuration() -> None:
    key = make_record(seed=0).configuration
    assert key == make_record(seed=9).configuration
    assert key != make_record(device="cuda").configuration
    assert key != make_record(preprocessing={}).configuration
