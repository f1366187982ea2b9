"""From the metrics of a member to its means: bio, batch, and their weighted total; raw and scaled.

Bio and batch are plain means over the metrics that are available; the total is 0.6 bio + 0.4 batch
(Luecken et al. 2022) and needs both. Intervals are the 2.5 and 97.5 percentiles of the bootstrap
over cells, centred on the value; each replicate of a mean is of the same cells in all its metrics.

Scaled scores lie between the controls: 0 is the random embedding, 1 the oracle. They are made last
and for every member, so that a control that is computed anew counts for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.evaluation import ScoreLine
from multiverse.contract.scores import Group, Interval, MetricFacts, Score
from multiverse.runs.scores import Aggregate, Member

BIO_WEIGHT = 0.6
BATCH_WEIGHT = 0.4
PERCENTILES = (2.5, 97.5)
#: Fewer replicates with a value give no interval.
MIN_REPLICATES = 20

RANDOM, ORACLE = "random", "label_oracle"
#: Controls that are closer than this don't span a scale.
MIN_SPAN = 0.05

#: What :class:`multiverse.contract.scores.MetricFacts` call the need of two batches.
BATCH_NEED = "batch"

Replicates = NDArray[np.float64]


def interval_of(value: float, replicates: Replicates) -> Interval | None:
    """Return the interval around a value; NaN for replicates that have none.

    The percentiles' distances from the replicates' mean are laid around the value: cells that are
    drawn twice agree with themselves, so that replicates lie a little to one side of it.
    """
    valued = replicates[np.isfinite(replicates)]
    if len(valued) < MIN_REPLICATES:
        return None
    low, high = value + np.percentile(valued, PERCENTILES) - valued.mean()
    return Interval(low=float(low), high=float(high), sd=float(valued.std(ddof=1)))


def score_of(line: ScoreLine) -> Score:
    """Return the score of a line as it is kept: with its interval; not yet scaled."""
    return Score(
        value=line.value,
        reason=line.reason,
        detail=line.detail,
        parts=line.parts,
        interval=None if line.value is None else interval_of(line.value, _replicates(line)),
        n_cells=line.n_cells,
        approximate=line.approximate,
        seconds=line.seconds,
    )


def _replicates(line: ScoreLine) -> Replicates:
    return np.array(
        [np.nan if value is None else value for value in line.replicates], dtype=np.float64
    )


def aggregates(
    lines: Mapping[str, ScoreLine], scores: Mapping[str, Score], metrics: Sequence[MetricFacts]
) -> tuple[Aggregate, Aggregate, Aggregate]:
    """Return bio, batch and total of one member."""
    needs = {metric.name: metric.needs for metric in metrics}
    groups = {group: [m.name for m in metrics if m.group is group] for group in Group}
    bio, bio_replicates = _mean(groups[Group.BIO], lines, scores)
    batch, batch_replicates = _mean(groups[Group.BATCH], lines, scores)
    looking = {name for name in groups[Group.BATCH] if BATCH_NEED in needs[name]}
    if looking and not any(scores[name].value is not None for name in looking & scores.keys()):
        # Graph connectivity alone, which looks at no batch, says nothing of mixing them.
        batch = batch.model_copy(
            update={"value": None, "interval": None, "reason": "no metric could look at batches"}
        )
    return bio, batch, _total(bio, batch, _weighted(bio_replicates, batch_replicates))


def _mean(
    names: Sequence[str], lines: Mapping[str, ScoreLine], scores: Mapping[str, Score]
) -> tuple[Aggregate, Replicates]:
    valued = [name for name in names if name in scores and scores[name].value is not None]
    missing = tuple(name for name in names if name not in valued)
    if not valued:
        empty = Aggregate(
            value=None,
            available=0,
            of=len(names),
            missing=missing,
            reason="none of its metrics is available",
        )
        return empty, np.empty(0)
    values = [scores[name].value for name in valued]
    parts = [_replicates(lines[name]) for name in valued if name in lines]
    full = len(parts) == len(valued) and len({len(cohort) for cohort in parts}) == 1
    together = np.mean(parts, axis=0) if full else np.empty(0)
    middle = float(np.mean([value for value in values if value is not None]))
    mean = Aggregate(
        value=middle,
        available=len(valued),
        of=len(names),
        missing=missing,
        interval=interval_of(middle, together),
    )
    return mean, together


def _weighted(bio: Replicates, batch: Replicates) -> Replicates:
    if not len(bio) or len(bio) != len(batch):
        return np.empty(0)
    return np.asarray(BIO_WEIGHT * bio + BATCH_WEIGHT * batch)


def _total(bio: Aggregate, batch: Aggregate, replicates: Replicates) -> Aggregate:
    available, of = bio.available + batch.available, bio.of + batch.of
    missing = (*bio.missing, *batch.missing)
    if bio.value is None or batch.value is None:
        lacking = "bio" if bio.value is None else "batch"
        return Aggregate(
            value=None,
            available=available,
            of=of,
            missing=missing,
            reason=f"no {lacking} metric is available",
        )
    value = BIO_WEIGHT * bio.value + BATCH_WEIGHT * batch.value
    return Aggregate(
        value=value,
        available=available,
        of=of,
        missing=missing,
        interval=interval_of(value, replicates),
    )


def rescaled(
    member: Member, controls: Mapping[str, Member], metrics: Sequence[MetricFacts]
) -> Member:
    """Return the member with scaled scores and aggregates, by the controls as they are now."""
    scores = {name: _scaled_score(name, score, controls) for name, score in member.scores.items()}
    bio = _scaled_mean(member.bio, Group.BIO, scores, metrics)
    batch = _scaled_mean(member.batch, Group.BATCH, scores, metrics)
    return member.model_copy(
        update={
            "scores": scores,
            "bio": bio,
            "batch": batch,
            "total": _scaled_total(member.total, bio, batch),
        }
    )


def _scaled_score(name: str, score: Score, controls: Mapping[str, Member]) -> Score:
    random, oracle = (_value_of(controls, control, name) for control in (RANDOM, ORACLE))
    if score.value is None or random is None or oracle is None or oracle - random < MIN_SPAN:
        return score.model_copy(update={"scaled": None, "clipped": False})
    place = (score.value - random) / (oracle - random)
    within = min(1.0, max(0.0, place))
    return score.model_copy(update={"scaled": within, "clipped": within != place})


def _value_of(controls: Mapping[str, Member], control: str, metric: str) -> float | None:
    member = controls.get(control)
    score = member.scores.get(metric) if member else None
    return score.value if score else None


def _scaled_mean(
    mean: Aggregate, group: Group, scores: Mapping[str, Score], metrics: Sequence[MetricFacts]
) -> Aggregate:
    own = [scores[m.name] for m in metrics if m.group is group and m.name in scores]
    known = [score for score in own if score.scaled is not None]
    there = bool(known) and mean.value is not None
    return mean.model_copy(
        update={
            "scaled": float(np.mean([score.scaled for score in known])) if there else None,
            "scaled_available": len(known) if there else 0,
            "scaled_clipped": there and any(score.clipped for score in known),
        }
    )


def _scaled_total(total: Aggregate, bio: Aggregate, batch: Aggregate) -> Aggregate:
    scaled, available = None, 0
    if bio.scaled is not None and batch.scaled is not None and total.value is not None:
        scaled = BIO_WEIGHT * bio.scaled + BATCH_WEIGHT * batch.scaled
        available = bio.scaled_available + batch.scaled_available
    return total.model_copy(
        update={
            "scaled": scaled,
            "scaled_available": available,
            "scaled_clipped": bio.scaled_clipped or batch.scaled_clipped,
        }
    )
