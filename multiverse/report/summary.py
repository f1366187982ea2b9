"""From the scores of runs to what is compared: configurations, each over its seeds.

A configuration is everything of a run's identity but the seed. Several seeds give a mean and a
standard deviation; their intervals are those of :mod:`multiverse.report.intervals`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

from multiverse.contract.scores import Group, Interval, MetricFacts, Score
from multiverse.report.intervals import interval_of
from multiverse.runs.run import Run
from multiverse.runs.scores import Aggregate, Evaluation, Member, MemberKind
from multiverse.specs.names import short

AGGREGATES = ("total", "bio", "batch")


@dataclass(frozen=True)
class Cell:
    """One number of the comparison table, over the seeds that have it.

    ``value`` is None where no seed has it; ``reasons`` then says why. ``sd`` is None for one seed.
    ``scaled``: 0 is the random embedding, 1 the oracle; ``clipped`` if a seed lay outside, or a
    metric behind a mean. ``coverage``, ``scaled_coverage`` of a mean (``9/10``): the metrics that
    it is made of, raw and scaled; several where seeds have different ones.
    """

    value: float | None
    sd: float | None = None
    interval: Interval | None = None
    scaled: float | None = None
    clipped: bool = False
    n: int = 0
    reasons: tuple[str, ...] = ()
    coverage: str = ""
    scaled_coverage: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    approximate: tuple[str, ...] = ()


@dataclass(frozen=True)
class Configuration:
    """One row of the comparison: a model with its settings, or a control.

    ``label``: unique within the evaluation, for people. ``rank``: by total, 1 is best, among
    configurations with the same metrics available; None for controls, without a total, and where
    the runs themselves have different ones (``varying``: those that some have and some have not).
    ``tied``: labels of configurations whose total's interval overlaps with this one's.
    """

    key: str
    label: str
    model: str
    kind: MemberKind
    changed: Mapping[str, Any]
    runs: tuple[Run, ...]
    metrics: Mapping[str, Cell]
    total: Cell
    bio: Cell
    batch: Cell
    #: The metrics that all its runs have in their totals; those of structure stand beside them.
    in_total: frozenset[str]
    varying: frozenset[str] = frozenset()
    rank: int | None = None
    tied: tuple[str, ...] = ()
    comparable: bool = True

    def aggregate(self, name: str) -> Cell:
        """Return ``total``, ``bio`` or ``batch``."""
        cell: Cell = getattr(self, name)
        return cell


@dataclass(frozen=True)
class Comparison:
    """One evaluation, ready to be shown: best total first, then without one, then controls.

    ``metrics``: the columns. ``coverage_differs``: totals are means over different metrics, so
    ranks are given within the largest set of configurations whose runs all share theirs.
    """

    evaluation: Evaluation
    metrics: tuple[MetricFacts, ...]
    configurations: tuple[Configuration, ...]
    controls: tuple[Configuration, ...]
    coverage_differs: bool


def compare_configurations(evaluation: Evaluation, runs: Iterable[Run]) -> Comparison:
    """Return the comparison of one evaluation; ``runs`` that it did not score are left out."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        if evaluation.member_of(run.record) is not None:
            grouped.setdefault(run.record.configuration, []).append(run)
    labels = _labels(grouped)
    found = [
        _configuration(
            key,
            labels[key],
            sorted(group, key=lambda run: run.record.seed),
            [evaluation.members[run.record.run_id] for run in group],
            evaluation.metrics,
        )
        for key, group in grouped.items()
    ]
    ranked, differs = _ranked(found)
    controls = [
        _configuration(name, name, [], [member], evaluation.metrics)
        for name, member in evaluation.controls.items()
    ]
    return Comparison(evaluation, evaluation.metrics, tuple(ranked), tuple(controls), differs)


def _labels(grouped: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """Return the model, with changed parameters if any; a key where that is not enough."""
    plain = {}
    for key, runs in grouped.items():
        record = runs[0].record
        words = [f"{name}={short(value)}" for name, value in record.changed.items()]
        plain[key] = " ".join([record.model, *words])
    texts = list(plain.values())
    return {
        key: text if texts.count(text) == 1 else f"{text} [{key[:6]}]"
        for key, text in plain.items()
    }


def _configuration(
    key: str,
    label: str,
    runs: Sequence[Run],
    members: Sequence[Member],
    facts: Sequence[MetricFacts],
) -> Configuration:
    metrics = {
        metric.name: _cell([member.scores.get(metric.name) for member in members])
        for metric in facts
    }
    first = members[0]
    # One that was lost has none, which says nothing of the others.
    sets = [found for member in members if (found := _in_total(member, facts))] or [frozenset()]
    in_all = frozenset.intersection(*sets)
    return Configuration(
        key=key,
        label=label,
        model=first.name,
        kind=first.kind,
        changed=runs[0].record.changed if runs else {},
        runs=tuple(runs),
        metrics=metrics,
        total=_aggregate_cell([member.total for member in members]),
        bio=_aggregate_cell([member.bio for member in members]),
        batch=_aggregate_cell([member.batch for member in members]),
        in_total=in_all,
        varying=frozenset.union(*sets) - in_all,
    )


def _in_total(member: Member, facts: Sequence[MetricFacts]) -> frozenset[str]:
    """Return the metrics behind one member's total."""
    names = [metric.name for metric in facts if metric.group is not Group.STRUCTURE]
    found = {name: member.scores.get(name) for name in names}
    return frozenset(name for name, score in found.items() if score and score.value is not None)


def _cell(scores: Sequence[Score | None]) -> Cell:
    present = [score for score in scores if score is not None]
    valued = [score for score in present if score.value is not None]
    reasons = tuple(
        dict.fromkeys(score.detail or str(score.reason) for score in present if score.reason)
    )
    if not valued:
        return Cell(None, reasons=reasons or ("it was not evaluated",))
    parts = {name for score in valued for name in score.parts}
    return replace(
        _over_seeds(valued),
        clipped=any(score.clipped for score in valued),
        reasons=reasons,
        parts={
            name: fmean(score.parts[name] for score in valued if name in score.parts)
            for name in sorted(parts)
        },
        approximate=tuple(sorted({word for score in valued for word in score.approximate})),
    )


def _aggregate_cell(aggregates: Sequence[Aggregate]) -> Cell:
    valued = [item for item in aggregates if item.value is not None]
    # Equal numbers of different metrics are named twice.
    found = dict.fromkeys((item.coverage, frozenset(item.missing)) for item in aggregates)
    coverage = " ".join(covered for covered, _ in found)
    if not valued:
        reasons = tuple(dict.fromkeys(item.reason for item in aggregates if item.reason))
        return Cell(None, reasons=reasons, coverage=coverage)
    return replace(
        _over_seeds(valued),
        clipped=any(item.scaled_clipped for item in valued),
        coverage=coverage,
        scaled_coverage=" ".join(dict.fromkeys(filter(None, map(_scaled_coverage, valued)))),
    )


def _over_seeds(valued: Sequence[Score] | Sequence[Aggregate]) -> Cell:
    """Return mean, standard deviation and interval of at least one that has a value."""
    values = [item.value for item in valued if item.value is not None]
    scaled = [item.scaled for item in valued if item.scaled is not None]
    return Cell(
        value=fmean(values),
        sd=stdev(values) if len(values) > 1 else None,
        interval=interval_of(values, [item.interval for item in valued]),
        scaled=fmean(scaled) if scaled else None,
        n=len(values),
    )


def _scaled_coverage(item: Aggregate) -> str:
    """Return the coverage, or nothing where older files of scores don't say it."""
    if item.scaled is None or not item.scaled_available:
        return ""
    return f"{item.scaled_available}/{item.of}"


def _ranked(found: Sequence[Configuration]) -> tuple[list[Configuration], bool]:
    """Sort by total and rank those with the most common metrics; return whether metrics differ."""
    totals = [item for item in found if item.total.value is not None]
    sets = [item.in_total for item in totals if not item.varying]
    common = max(sets, key=lambda names: (sets.count(names), len(names)), default=frozenset())
    ranks: dict[str, int] = {}
    best = sorted(totals, key=_by_total)
    for item in best:
        if item.in_total == common and not item.varying:
            ranks[item.key] = len(ranks) + 1
    rest = sorted((item for item in found if item.total.value is None), key=_by_group)
    return [
        _with_rank(item, best, ranks.get(item.key), comparable=item.in_total == common)
        for item in [*best, *rest]
    ], len(set(sets)) > 1 or any(item.varying for item in totals)


def _with_rank(
    item: Configuration, others: Sequence[Configuration], rank: int | None, *, comparable: bool
) -> Configuration:
    mine = item.total.interval
    tied = tuple(
        other.label
        for other in others
        if mine is not None
        and other.key != item.key
        and other.total.interval is not None
        and mine.overlaps(other.total.interval)
        and other.in_total == item.in_total
        and not other.varying
        and not item.varying
    )
    comparable = (comparable or item.total.value is None) and not item.varying
    return replace(item, rank=rank, tied=tied, comparable=comparable)


def _by_total(item: Configuration) -> tuple[float, str]:
    return (-(item.total.value or 0.0), item.label)


def _by_group(item: Configuration) -> tuple[float, float, str]:
    return (-(item.bio.value or 0.0), -(item.batch.value or 0.0), item.label)
