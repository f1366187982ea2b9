"""``scores.csv``: every score of a results folder, one a row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from multiverse.contract.scores import Interval, MetricFacts, Score
from multiverse.report.summary import Configuration, compare_configurations
from multiverse.runs.aggregate import AGGREGATES
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results, Scored
from multiverse.runs.scores import Aggregate, Member
from multiverse.runs.spreadsheet import field
from multiverse.runs.writing import write_atomic

COLUMNS = (
    "dataset", "dataset_fingerprint", "labels_fingerprint", "evaluator", "scib_metrics",
    "kind", "member", "model", "configuration", "seed",
    "group", "metric", "part", "value", "reason", "detail", "scaled", "clipped",
    "interval_low", "interval_high", "interval_sd", "rank", "scaled_rank",
    "coverage", "scaled_coverage", "missing", "n_cells", "approximate", "seconds",
)  # fmt: skip
AGGREGATE = "aggregate"

Row = Mapping[str, object]


def write_scores(results: Results) -> Path:
    """Write ``scores.csv`` in long form and return its path.

    A row for each metric of each run and control, for each part of it (``part``: a modality, or
    another way to compute it, such as ``scib``), and for each aggregate (``group`` is
    ``aggregate``). Ranks stand beside the score that they are of. Numbers have full precision; a
    value that is not available is empty and has a reason. Text that a spreadsheet would take for a
    formula has a leading apostrophe.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="")
    writer.writeheader()
    for row in score_rows(results):
        writer.writerow({name: field(value) for name, value in row.items()})
    write_atomic(results.paths.scores_table, stream.getvalue())
    return results.paths.scores_table


def score_rows(results: Results) -> Iterator[Row]:
    """Yield the rows of the table, their values as they are; columns without a value left out."""
    records = {run.record.run_id: run.record for run in results.runs}
    for scored in results.evaluations:
        runs = [run for run in results.runs if run.record.dataset == scored.dataset]
        comparison = compare_configurations(scored.evaluation, runs)
        rows = {run.record.run_id: item for item in comparison.configurations for run in item.runs}
        members = {**scored.evaluation.members, **scored.evaluation.controls}
        for name, member in members.items():
            row = rows.get(name)
            who = _who(scored, name, member, records.get(name), row)
            ranks = {} if row is None else {"rank": row.rank, "scaled_rank": row.scaled_rank}
            for cells in _member_rows(who, member, scored.evaluation.metrics):
                ranked = cells["metric"] == comparison.ranked_by and "part" not in cells
                yield {**cells, **ranks} if ranked else cells


def _who(
    scored: Scored,
    name: str,
    member: Member,
    record: RunRecord | None,
    row: Configuration | None,
) -> Row:
    evaluation = scored.evaluation
    return {
        "dataset": scored.dataset,
        "dataset_fingerprint": evaluation.dataset_fingerprint,
        "labels_fingerprint": evaluation.labels_fingerprint,
        "evaluator": evaluation.evaluator.version,
        "scib_metrics": evaluation.evaluator.scib_metrics,
        "kind": member.kind.value,
        "member": name,
        "model": member.name,
        "configuration": member.name if row is None else row.label,
        "seed": None if record is None else record.seed,
    }


def _member_rows(who: Row, member: Member, facts: tuple[MetricFacts, ...]) -> Iterator[Row]:
    groups = {metric.name: metric.group.value for metric in facts}
    for name, score in member.scores.items():
        what = {**who, "group": groups.get(name), "metric": name}
        yield {**what, **_of_score(score)}
        for part, value in {**score.parts, **score.variants}.items():
            yield {**what, "part": part, "value": value}
    for name in AGGREGATES:
        aggregate: Aggregate = getattr(member, name)
        yield {**who, "group": AGGREGATE, "metric": name, **_of_aggregate(aggregate)}


def _of_score(score: Score) -> Row:
    return {
        "value": score.value,
        "reason": None if score.reason is None else score.reason.value.replace("_", " "),
        "detail": score.detail,
        "scaled": score.scaled,
        "clipped": score.clipped,
        **_of_interval(score.interval),
        "n_cells": score.n_cells,
        "approximate": " ".join(score.approximate),
        "seconds": score.seconds,
    }


def _of_aggregate(aggregate: Aggregate) -> Row:
    return {
        "value": aggregate.value,
        "reason": aggregate.reason,
        "scaled": aggregate.scaled,
        "clipped": aggregate.scaled_clipped,
        **_of_interval(aggregate.interval),
        # A spreadsheet would take 9/10 for a date.
        "coverage": f"{aggregate.available} of {aggregate.of}",
        "scaled_coverage": _scaled_coverage(aggregate),
        "missing": " ".join(aggregate.missing),
    }


def _scaled_coverage(aggregate: Aggregate) -> str | None:
    if aggregate.scaled is None or not aggregate.scaled_available:
        return None
    return f"{aggregate.scaled_available} of {aggregate.of}"


def _of_interval(interval: Interval | None) -> Row:
    if interval is None:
        return {}
    return {
        "interval_low": interval.low,
        "interval_high": interval.high,
        "interval_sd": interval.sd,
    }
