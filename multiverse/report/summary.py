"""From the scores of runs to what is compared: configurations, each over its seeds.

A configuration is everything of a run's identity but the seed. Several seeds give a mean and a
standard deviation; intervals are those of :mod:`multiverse.runs.intervals`.

Ranks are of the total, or of the bio score where there is no total; never of the batch score alone,
which a random embedding leads, nor of structure. The best, and all that are indistinguishable from
it (the 95 % interval of the paired difference holds 0), share rank 1; of the rest the best, and all
that are indistinguishable from that, share the next rank; and so on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

from multiverse.contract.scores import Group, Interval, MetricFacts, Score
from multiverse.runs.aggregate import AGGREGATES
from multiverse.runs.intervals import Sample, beats, interval_of
from multiverse.runs.run import Run
from multiverse.runs.scores import Aggregate, Evaluation, Member, MemberKind
from multiverse.runs.totals import (
    Means,
    Measured,
    raw_means,
    scaled_means,
    scales_of,
)
from multiverse.specs.names import short

#: What configurations may be ranked by: the first of them that any of them has.
RANKED = ("total", "bio")


@dataclass(frozen=True)
class Cell:
    """One number of the comparison table, over the seeds that have it.

    ``value`` is None where no seed has it; ``reasons`` then says why. ``sd`` is None for one seed.
    ``sample``: the values of the seeds, with those in halves of the cells; ``scaled_sample`` the
    same of scaled values. ``remarks``: what a reader of the value must know. ``scaled``: between
    two controls, 0 and 1; ``clipped`` if a seed lay outside, or a metric behind a mean.
    ``coverage``, ``scaled_coverage`` of a mean (``9/10``): the metrics that it is made of, raw and
    scaled; several where seeds have different ones.
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
    variants: Mapping[str, float] = field(default_factory=dict)
    approximate: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    sample: Sample | None = field(default=None, compare=False, repr=False)
    scaled_sample: Sample | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Configuration:
    """One row of the comparison: a model with its settings, or a control.

    ``label``: unique within the evaluation, for people. ``rank``: shared by those that are
    indistinguishable from the best of them, among those with the same metrics available; one more
    than the number of those that rank before. None for controls, without the score that ranks are
    of, and where the runs themselves have different metrics (``varying``: those that some have and
    some have not). ``scaled_rank``: the same of the scaled score. ``shares_rank``,
    ``shares_scaled_rank``: whether another has the same. ``tied``: for rank 1, the labels of all
    others that share it.
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
    #: The metrics that all its runs have in their means; those of structure stand beside them.
    in_total: frozenset[str]
    varying: frozenset[str] = frozenset()
    rank: int | None = None
    shares_rank: bool = False
    scaled_rank: int | None = None
    shares_scaled_rank: bool = False
    tied: tuple[str, ...] = ()
    comparable: bool = True

    def aggregate(self, name: str) -> Cell:
        """Return ``total``, ``bio`` or ``batch``."""
        cell: Cell = getattr(self, name)
        return cell


@dataclass(frozen=True)
class Comparison:
    """One evaluation, ready to be shown: best score first, then without one, then controls.

    ``metrics``: the columns. ``ranked_by``: ``total`` or ``bio``; empty where nothing is ranked.
    ``coverage_differs``: scores are means over different metrics, so ranks are given within the
    largest set of configurations whose runs all share theirs.
    """

    evaluation: Evaluation
    metrics: tuple[MetricFacts, ...]
    configurations: tuple[Configuration, ...]
    controls: tuple[Configuration, ...]
    coverage_differs: bool
    ranked_by: str

    @property
    def leading(self) -> str:
        """The score that coverage and seeds are of: the one that ranks are of, or the total."""
        return self.ranked_by or "total"

    @property
    def ranked(self) -> tuple[Configuration, ...]:
        """Return the configurations that have a rank, best value first."""
        return tuple(item for item in self.configurations if item.rank is not None)


def compare_configurations(evaluation: Evaluation, runs: Iterable[Run]) -> Comparison:
    """Return the comparison of one evaluation; ``runs`` that it did not score are left out."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        if evaluation.member_of(run.record) is not None:
            grouped.setdefault(run.record.configuration, []).append(run)
    labels = _labels(grouped)
    table = _Table(evaluation)
    found = [
        table.configuration(
            key,
            labels[key],
            sorted(group, key=lambda run: run.record.seed),
            [evaluation.members[run.record.run_id] for run in group],
        )
        for key, group in grouped.items()
    ]
    by = next((name for name in RANKED if any(item.aggregate(name).n for item in found)), "")
    ranked, differs = _ranked(found, by, evaluation.metrics)
    controls = [
        table.configuration(name, name, [], [member])
        for name, member in evaluation.controls.items()
    ]
    return Comparison(evaluation, evaluation.metrics, tuple(ranked), tuple(controls), differs, by)


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


class _Table:
    """The numbers of one evaluation's members, raw and scaled."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._facts = evaluation.metrics
        self._scales = scales_of(evaluation.controls, evaluation.metrics)

    def configuration(
        self, key: str, label: str, runs: Sequence[Run], members: Sequence[Member]
    ) -> Configuration:
        """Return one row, over its members (one a run, or a control's)."""
        facts = self._facts
        raw = [raw_means(member.scores, facts, self._evaluation.weights) for member in members]
        scaled = [
            scaled_means(member.scores, facts, self._evaluation.weights, self._scales)
            for member in members
        ]
        cells = {
            metric.name: _cell([member.scores.get(metric.name) for member in members])
            for metric in facts
        }
        means = {
            name: _aggregate_cell([getattr(member, name) for member in members])
            for name in AGGREGATES
        }
        # Structure has no interval: values of several seeds depend on each other.
        judged = [m.name for m in facts if m.group is not Group.STRUCTURE]
        cells |= {name: _with_samples(cells[name], name, raw, scaled) for name in judged}
        means = {name: _with_samples(cell, name, raw, scaled) for name, cell in means.items()}
        first = members[0]
        # One that was lost has none, which says nothing of the others.
        sets = [found for mean in raw if (found := _in_means(mean))] or [frozenset()]
        in_all = frozenset.intersection(*sets)
        return Configuration(
            key=key,
            label=label,
            model=first.name,
            kind=first.kind,
            changed=runs[0].record.changed if runs else {},
            runs=tuple(runs),
            metrics=cells,
            total=means["total"],
            bio=means["bio"],
            batch=means["batch"],
            in_total=in_all,
            varying=frozenset.union(*sets) - in_all,
        )


def _with_samples(cell: Cell, name: str, raw: Sequence[Means], scaled: Sequence[Means]) -> Cell:
    """Return the cell with its numbers in halves of the cells, and the interval that follows."""
    sample = _sample([means.of(name) for means in raw])
    return replace(
        cell,
        interval=interval_of(sample) if sample else None,
        sample=sample,
        scaled_sample=_sample([means.of(name) for means in scaled]),
    )


def _sample(found: Sequence[Measured | None]) -> Sample | None:
    valued = [one for one in found if one is not None]
    if not valued:
        return None
    return Sample(tuple(one.value for one in valued), tuple(one.replicates for one in valued))


def _in_means(means: Means) -> frozenset[str]:
    """Return the metrics behind one member's means."""
    return frozenset([*means.valued(Group.BIO), *means.valued(Group.BATCH)])


def _cell(scores: Sequence[Score | None]) -> Cell:
    present = [score for score in scores if score is not None]
    valued = [score for score in present if score.value is not None]
    reasons = tuple(
        dict.fromkeys(score.detail or str(score.reason) for score in present if score.reason)
    )
    if not valued:
        return Cell(None, reasons=reasons or ("it was not evaluated",))
    parts = {name for score in valued for name in score.parts}
    variants = {name for score in valued for name in score.variants}
    return replace(
        _over_seeds(valued),
        clipped=any(score.clipped for score in valued),
        reasons=reasons,
        parts={
            name: fmean(score.parts[name] for score in valued if name in score.parts)
            for name in sorted(parts)
        },
        variants={
            name: fmean(score.variants[name] for score in valued if name in score.variants)
            for name in sorted(variants)
        },
        approximate=tuple(sorted({word for score in valued for word in score.approximate})),
        remarks=tuple(dict.fromkeys(score.detail for score in valued if score.detail)),
    )


def _aggregate_cell(aggregates: Sequence[Aggregate]) -> Cell:
    valued = [item for item in aggregates if item.value is not None]
    # Equal numbers of different metrics are named twice.
    counted = valued or aggregates
    found = dict.fromkeys((item.coverage, frozenset(item.missing)) for item in counted)
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
    """Return mean and standard deviation of at least one that has a value."""
    values = [item.value for item in valued if item.value is not None]
    scaled = [item.scaled for item in valued if item.scaled is not None]
    return Cell(
        value=fmean(values),
        sd=stdev(values) if len(values) > 1 else None,
        scaled=fmean(scaled) if scaled else None,
        n=len(values),
    )


def _scaled_coverage(item: Aggregate) -> str:
    """Return the coverage, or nothing where older files of scores don't say it."""
    if item.scaled is None or not item.scaled_available:
        return ""
    return f"{item.scaled_available}/{item.of}"


def _ranked(
    found: Sequence[Configuration], by: str, facts: Sequence[MetricFacts]
) -> tuple[list[Configuration], bool]:
    """Sort by a score and rank those with the most common metrics; return whether metrics differ.

    ``by``: of :data:`RANKED`, or empty where none has such a score.
    """
    counted = {
        metric.name for metric in facts if by == "total" or metric.group.value == (by or None)
    }
    valued = [item for item in found if by and item.aggregate(by).value is not None]
    sets = {item.key: item.in_total & counted for item in valued}
    mixed = {item.key for item in valued if item.varying & counted}
    whole = [metrics for key, metrics in sets.items() if key not in mixed]
    common = max(whole, key=lambda names: (whole.count(names), len(names)), default=frozenset())
    best = sorted(valued, key=lambda item: (-(item.aggregate(by).value or 0.0), item.label))
    comparable = [item for item in best if sets[item.key] == common and item.key not in mixed]
    ranks = _ranks([(item.key, item.aggregate(by).sample) for item in comparable])
    scaled = _ranks([(item.key, item.aggregate(by).scaled_sample) for item in comparable])
    first = [item.label for item in comparable if ranks.get(item.key) == 1]
    rest = sorted((item for item in found if item not in valued), key=_by_group)
    ordered = [
        replace(
            item,
            rank=ranks.get(item.key),
            shares_rank=_is_shared(ranks, item.key),
            scaled_rank=scaled.get(item.key),
            shares_scaled_rank=_is_shared(scaled, item.key),
            tied=tuple(label for label in first if label != item.label)
            if item.label in first
            else (),
            comparable=item.key in ranks or item.key not in sets,
        )
        for item in [*best, *rest]
    ]
    return ordered, len(set(whole)) > 1 or bool(mixed)


def _is_shared(ranks: Mapping[str, int], key: str) -> bool:
    return key in ranks and list(ranks.values()).count(ranks[key]) > 1


def _ranks(found: Sequence[tuple[str, Sample | None]]) -> dict[str, int]:
    """Return key → rank, of those with a sample.

    The highest, and all that it does not beat, share a rank; then the same of the rest.
    """
    samples = {key: sample for key, sample in found if sample is not None}
    if not samples:
        return {}
    keys = sorted(samples, key=lambda key: -samples[key].mean)
    better = beats([samples[key] for key in keys])
    ranks: dict[str, int] = {}
    left = list(range(len(keys)))
    while left:
        first, rank = left[0], len(ranks) + 1
        sharing = [one for one in left if one == first or not better[first, one]]
        ranks |= {keys[one]: rank for one in sharing}
        left = [one for one in left if one not in sharing]
    return ranks


def _by_group(item: Configuration) -> tuple[float, float, str]:
    return (-(item.bio.value or 0.0), -(item.batch.value or 0.0), item.label)
