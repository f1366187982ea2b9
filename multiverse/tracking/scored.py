"""The scores of a run as metrics and tags."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results
from multiverse.runs.scores import Evaluation, Member
from multiverse.tracking.measured import MetricPoint
from multiverse.tracking.names import Fitted, fitting_name

PREFIX = "score."
REASON = "score_reason."
AGGREGATES = ("total", "bio", "batch")


@dataclass(frozen=True)
class RunScores:
    """``points``: the values that there are. ``tags``: why not, and what scored it.

    ``digest`` changes with any of them, and is empty where there is nothing.
    """

    points: tuple[MetricPoint, ...]
    tags: Mapping[str, str]

    @property
    def digest(self) -> str:
        if not self.points and not self.tags:
            return ""
        values = {point.name: point.value for point in self.points}
        text = json.dumps([values, dict(self.tags)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


NO_SCORES = RunScores((), {})


def scores_of(results: Results, record: RunRecord) -> RunScores:
    """Return ``score.<metric>``, its parts as ``score.<metric>.<part>``, ``score.total`` and so on.

    Nothing where the run has no scores (yet, or any more). Raises :class:`ResultsError` where they
    can't be read.
    """
    evaluation = results.scores_file(record.dataset).of(record.dataset_fingerprint)
    member = None if evaluation is None else evaluation.member_of(record)
    if evaluation is None or member is None:
        return NO_SCORES
    fitted = Fitted()
    fitted.add_tags(dict(_tags(member, evaluation)))
    points = (MetricPoint(fitting_name(name), value) for name, value in _values(member))
    return RunScores(tuple(points), fitted.tags)


def _values(member: Member) -> Iterator[tuple[str, float]]:
    for metric, score in member.scores.items():
        if score.value is not None:
            yield f"{PREFIX}{metric}", score.value
            yield from ((f"{PREFIX}{metric}.{part}", value) for part, value in score.parts.items())
    for name in AGGREGATES:
        aggregate = getattr(member, name)
        if aggregate.value is not None:
            yield f"{PREFIX}{name}", aggregate.value
            if aggregate.interval is not None:
                yield f"{PREFIX}{name}.low", aggregate.interval.low
                yield f"{PREFIX}{name}.high", aggregate.interval.high


def _tags(member: Member, evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    for metric, score in member.scores.items():
        if score.reason is not None:
            yield f"{REASON}{metric}", ": ".join(filter(None, (score.reason, score.detail)))
    for name in AGGREGATES:
        aggregate = getattr(member, name)
        yield f"multiverse.coverage.{name}", aggregate.coverage
        if aggregate.value is None and aggregate.reason:
            yield f"{REASON}{name}", aggregate.reason
    evaluator, sheet = evaluation.evaluator, evaluation.sheet
    yield "multiverse.evaluator", evaluator.version
    yield "multiverse.evaluator.scib_metrics", evaluator.scib_metrics
    yield "multiverse.evaluator.settings", json.dumps(evaluator.settings, sort_keys=True)
    yield "multiverse.labels_fingerprint", evaluation.labels_fingerprint or ""
    yield "multiverse.label_key", sheet.label_key or ""
    yield "multiverse.batch_key", sheet.batch_key or ""
    if member.image is not None:
        yield "multiverse.evaluator.image_tag", member.image.tag
        yield "multiverse.evaluator.image_digest", member.image.digest
    if member.environment_lock:
        yield "multiverse.evaluator.environment_lock", member.environment_lock
