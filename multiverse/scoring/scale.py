"""Scores between the controls: 0 is the random embedding, 1 the oracle.

Done last and for every member, so that a control that is computed anew counts for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from multiverse.contract.scores import Group, MetricFacts, Score
from multiverse.runs.scores import Aggregate, Member
from multiverse.scoring.aggregate import BATCH_WEIGHT, BIO_WEIGHT

RANDOM, ORACLE = "random", "label_oracle"
#: Controls that are closer than this don't span a scale.
MIN_SPAN = 0.05


def rescaled(
    member: Member, controls: Mapping[str, Member], metrics: Sequence[MetricFacts]
) -> Member:
    """The member with scaled scores and aggregates, by the controls as they are now."""
    scores = {name: _score(name, score, controls) for name, score in member.scores.items()}
    bio = _aggregate(member.bio, Group.BIO, scores, metrics)
    batch = _aggregate(member.batch, Group.BATCH, scores, metrics)
    return member.model_copy(
        update={
            "scores": scores,
            "bio": bio,
            "batch": batch,
            "total": _total(member.total, bio, batch),
        }
    )


def _score(name: str, score: Score, controls: Mapping[str, Member]) -> Score:
    random, oracle = (_value(controls, control, name) for control in (RANDOM, ORACLE))
    if score.value is None or random is None or oracle is None or oracle - random < MIN_SPAN:
        return score.model_copy(update={"scaled": None, "clipped": False})
    place = (score.value - random) / (oracle - random)
    within = min(1.0, max(0.0, place))
    return score.model_copy(update={"scaled": within, "clipped": within != place})


def _value(controls: Mapping[str, Member], control: str, metric: str) -> float | None:
    member = controls.get(control)
    score = member.scores.get(metric) if member else None
    return score.value if score else None


def _aggregate(
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


def _total(total: Aggregate, bio: Aggregate, batch: Aggregate) -> Aggregate:
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
