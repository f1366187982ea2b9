"""From scores of runs to rows of the comparison: seeds, intervals, ranks, ties, labels."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from multiverse.report.summary import Z95, Comparison, compare_configurations, configuration_key
from multiverse.runs.listing import FoundRun
from multiverse.runs.record import RunRecord
from multiverse.runs.scores import Member
from tests.unit.report.made import make_evaluation, make_member, make_record


def comparison(*scored: tuple[RunRecord, Member], **changes: Any) -> Comparison:
    members = {record.run_id: member for record, member in scored}
    runs = [FoundRun(record, Path("somewhere")) for record, _ in scored]
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
    assert row.bio.interval.sd == pytest.approx(sqrt(stdev(values) ** 2 + 0.01**2))
    assert row.bio.interval.high - row.bio.interval.low == pytest.approx(
        2 * Z95 * row.bio.interval.sd
    )


def test_one_seed_keeps_its_own_interval() -> None:
    member = make_member("pca", 0.5, 0.5)
    (row,) = comparison((make_record(), member)).configurations
    assert row.total.interval == member.total.interval
    assert row.total.sd is None
    assert row.total.coverage == "4/4"


def test_ranks_go_by_total_and_overlapping_intervals_are_tied() -> None:
    found = comparison(
        (make_record("pca"), make_member("pca", 0.5, 0.5)),
        (make_record("mofa"), make_member("mofa", 0.7, 0.7)),
        (make_record("cobolt"), make_member("cobolt", 0.71, 0.7)),
    )
    assert [(row.label, row.rank) for row in found.configurations] == [
        ("cobolt", 1),
        ("mofa", 2),
        ("pca", 3),
    ]
    assert [row.tied for row in found.configurations] == [("mofa",), ("cobolt",), ()]
    assert not found.coverage_differs


def test_without_intervals_nothing_is_tied() -> None:
    found = comparison(
        (make_record("pca"), make_member("pca", 0.5, 0.5, sd=None)),
        (make_record("mofa"), make_member("mofa", 0.5, 0.5, sd=None)),
    )
    assert [row.tied for row in found.configurations] == [(), ()]


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
    assert labels[configuration_key(records[1])] == "pca n=5"
    assert max(map(len, labels.values())) < 60


def test_runs_that_were_not_scored_are_left_out() -> None:
    record, other = make_record(), make_record("mofa")
    evaluation = make_evaluation({record.run_id: make_member("pca", 0.5, 0.5)})
    runs = [FoundRun(item, Path("somewhere")) for item in (record, other)]
    assert [row.model for row in compare_configurations(evaluation, runs).configurations] == ["pca"]


def test_only_the_seed_is_no_part_of_a_configuration() -> None:
    key = configuration_key(make_record(seed=0))
    assert key == configuration_key(make_record(seed=9))
    assert key != configuration_key(make_record(device="cuda"))
    assert key != configuration_key(make_record(preprocessing={}))
