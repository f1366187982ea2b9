"""From the metrics of a member to its means: bio, batch, and their weighted total; raw and scaled.

Bio and batch are weighted means over the metrics that are available, the total a weighted mean of
both, which needs both. The default is that of Luecken et al. 2022 (doi
10.1038/s41592-021-01336-8): equal weights within a group, 0.6 bio + 0.4 batch. A replicate of a
mean is the mean of its metrics' replicates, of the same half of the cells.

A scaled score lies between two controls. Of a metric that judges the mixing of batches 0 is the
worst of the controls that mix nothing (the batch alone, each unintegrated modality), 1 the random
embedding, which mixes perfectly; of other metrics of both groups 0 is the random embedding, 1 the
oracle of the labels. Metrics of structure have no such bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from multiverse.contract.scores import Group, Interval, MetricFacts, Score
from multiverse.runs.aggregate import AGGREGATES, Aggregate, Weights
from multiverse.runs.intervals import Replicates, Sample, interval_of

if TYPE_CHECKING:
    from multiverse.runs.scores import Evaluation, Member

RANDOM, ORACLE, BATCH_ALONE = "random", "label_oracle", "batch_one_hot"
#: Controls that are each modality on its own, by their prefix.
UNINTEGRATED = "pca_"
#: Controls that are closer than this don't span a scale.
MIN_SPAN = 0.05
#: What :class:`MetricFacts` call the need of two batches.
BATCH_NEED = "batch"


@dataclass(frozen=True)
class Measured:
    """One number of one member, and its values in random halves of the cells, (m,)."""

    value: float
    replicates: Replicates


@dataclass(frozen=True)
class Span:
    """The values of two controls: ``bottom`` is scaled to 0, ``top`` to 1."""

    bottom: float
    top: float

    def place(self, values: Replicates) -> Replicates:
        """Return values (n,) on the scale, not clipped."""
        return (values - self.bottom) / (self.top - self.bottom)


@dataclass(frozen=True)
class Means:
    """The means of one member's numbers: of the metrics ``facts``, by ``weights``."""

    metrics: Mapping[str, Measured]
    facts: Sequence[MetricFacts]
    weights: Weights

    def counted(self, group: Group) -> list[str]:
        """Return the metrics of a group that have a weight."""
        return [m.name for m in self.facts if m.group is group and self.weights.of(m.name) > 0]

    def valued(self, group: Group) -> list[str]:
        """Return those of them that have a value."""
        return [name for name in self.counted(group) if name in self.metrics]

    def looks_at_batches(self) -> bool:
        """Return False where graph connectivity is alone, which says nothing of mixing them."""
        needs = {m.name: m.needs for m in self.facts if m.group is Group.BATCH}
        if not any(BATCH_NEED in found for found in needs.values()):
            return True
        return any(BATCH_NEED in needs[name] for name in self.valued(Group.BATCH))

    def of_group(self, group: Group) -> Measured | None:
        """Return the mean of a group; None where it has none."""
        names = self.valued(group)
        if not names or (group is Group.BATCH and not self.looks_at_batches()):
            return None
        return _mean([self.metrics[name] for name in names], list(map(self.weights.of, names)))

    def total(self) -> Measured | None:
        """Return the weighted mean of both groups; None without one of them."""
        bio, batch = self.of_group(Group.BIO), self.of_group(Group.BATCH)
        if bio is None or batch is None:
            return None
        return _mean([bio, batch], [self.weights.bio, self.weights.batch])

    def of(self, name: str) -> Measured | None:
        """Return ``total``, ``bio``, ``batch`` or a metric."""
        if name == "total":
            return self.total()
        return self.of_group(Group(name)) if name in AGGREGATES else self.metrics.get(name)


def _mean(parts: Sequence[Measured], weights: Sequence[float]) -> Measured:
    value = float(np.average([part.value for part in parts], weights=weights))
    lengths = {len(part.replicates) for part in parts}
    if len(lengths) != 1:
        return Measured(value, np.empty(0))
    together = np.average([part.replicates for part in parts], axis=0, weights=weights)
    return Measured(value, together)


def measured(score: Score) -> Measured | None:
    """Return a score's value with its replicates, as numbers; None where it has none."""
    return None if score.value is None else Measured(score.value, _replicates(score))


def _replicates(score: Score) -> Replicates:
    return np.array(
        [np.nan if value is None else value for value in score.replicates], dtype=np.float64
    )


def raw_means(scores: Mapping[str, Score], facts: Sequence[MetricFacts], weights: Weights) -> Means:
    """Return the means of a member's scores."""
    found = {name: number for name, score in scores.items() if (number := measured(score))}
    return Means(found, facts, weights)


def scaled_means(
    scores: Mapping[str, Score],
    facts: Sequence[MetricFacts],
    weights: Weights,
    scales: Mapping[str, Span],
) -> Means:
    """Return the means of a member's scaled scores."""
    found = {
        name: Measured(score.scaled, scales[name].place(_replicates(score)))
        for name, score in scores.items()
        if score.scaled is not None and name in scales
    }
    return Means(found, facts, weights)


def scales_of(controls: Mapping[str, Member], facts: Sequence[MetricFacts]) -> dict[str, Span]:
    """Return metric → its scale, of those whose two controls are far enough apart."""
    found = {}
    for metric in facts:
        ends = _ends(controls, metric)
        if ends is not None and ends.top - ends.bottom >= MIN_SPAN:
            found[metric.name] = ends
    return found


def _ends(controls: Mapping[str, Member], metric: MetricFacts) -> Span | None:
    values = {
        name: value
        for name, member in controls.items()
        if (score := member.scores.get(metric.name)) and (value := score.value) is not None
    }
    if metric.group is Group.STRUCTURE or RANDOM not in values:
        return None
    if metric.group is Group.BATCH and BATCH_NEED in metric.needs:
        mixing_nothing = [
            value
            for name, value in values.items()
            if name == BATCH_ALONE or name.startswith(UNINTEGRATED)
        ]
        return Span(min(mixing_nothing), values[RANDOM]) if mixing_nothing else None
    return Span(values[RANDOM], values[ORACLE]) if ORACLE in values else None


def with_means(
    member: Member,
    facts: Sequence[MetricFacts],
    weights: Weights,
    scales: Mapping[str, Span],
) -> Member:
    """Return the member with its scaled scores, and its means, raw and scaled."""
    scores = {name: _scaled(score, scales.get(name)) for name, score in member.scores.items()}
    raw = raw_means(scores, facts, weights)
    scaled = scaled_means(scores, facts, weights, scales)
    bio = _group_aggregate(Group.BIO, raw, scaled, scores)
    batch = _group_aggregate(Group.BATCH, raw, scaled, scores)
    total = _total_aggregate(bio, batch, raw, scaled)
    return member.model_copy(update={"scores": scores, "bio": bio, "batch": batch, "total": total})


def _scaled(score: Score, scale: Span | None) -> Score:
    if score.value is None or scale is None:
        return score.model_copy(update={"scaled": None, "clipped": False})
    place = float(scale.place(np.array([score.value]))[0])
    within = min(1.0, max(0.0, place))
    return score.model_copy(update={"scaled": within, "clipped": within != place})


def _group_aggregate(
    group: Group, raw: Means, scaled: Means, scores: Mapping[str, Score]
) -> Aggregate:
    counted, valued = raw.counted(group), raw.valued(group)
    value, place = raw.of_group(group), scaled.of_group(group)
    reason = "" if value else "none of its metrics is available"
    if valued and value is None:
        reason = "graph connectivity alone, which looks at no batch, makes no batch score"
    known = scaled.valued(group) if value and place else []
    return Aggregate(
        value=value.value if value else None,
        available=len(valued),
        of=len(counted),
        missing=tuple(name for name in counted if name not in valued),
        reason=reason,
        interval=sampling_interval(value),
        scaled=place.value if value and place else None,
        scaled_available=len(known),
        scaled_clipped=any(scores[name].clipped for name in known),
    )


def _total_aggregate(bio: Aggregate, batch: Aggregate, raw: Means, scaled: Means) -> Aggregate:
    value, place = raw.total(), scaled.total()
    lacking = "bio" if bio.value is None else "batch"
    both = value is not None and place is not None
    return Aggregate(
        value=value.value if value else None,
        available=bio.available + batch.available,
        of=bio.of + batch.of,
        missing=(*bio.missing, *batch.missing),
        reason="" if value else f"no {lacking} metric is available",
        interval=sampling_interval(value),
        scaled=place.value if both and place else None,
        scaled_available=bio.scaled_available + batch.scaled_available if both else 0,
        scaled_clipped=both and (bio.scaled_clipped or batch.scaled_clipped),
    )


def sampling_interval(number: Measured | None) -> Interval | None:
    """Return the interval of one member's number, which holds the sampling of cells."""
    if number is None:
        return None
    return interval_of(Sample((number.value,), (number.replicates,)))


def reweighted(evaluation: Evaluation, weights: Weights) -> Evaluation:
    """Return the evaluation with all means by other weights."""
    facts = evaluation.metrics
    scales = scales_of(evaluation.controls, facts)

    def again(members: Mapping[str, Member]) -> dict[str, Member]:
        return {
            name: with_means(member, facts, weights, scales) for name, member in members.items()
        }

    return evaluation.model_copy(
        update={
            "weights": weights,
            "members": again(evaluation.members),
            "controls": again(evaluation.controls),
        }
    )
