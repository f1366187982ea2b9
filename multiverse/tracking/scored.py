"""The scores of a run as metrics and tags."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from multiverse.errors import ResultsError
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.record import RunRecord
from multiverse.runs.scores import Evaluation, Member, ScoresFile
from multiverse.tracking.names import Fitted, fitting_name

PREFIX = "score."
REASON = "score_reason."
AGGREGATES = ("total", "bio", "batch")


@dataclass(frozen=True)
class RunScores:
    """``values``: metric → value, where there is one. ``tags``: why not, and what scored it.

    ``digest`` changes with any of them.
    """

    values: Mapping[str, float]
    tags: Mapping[str, str]

    @property
    def digest(self) -> str:
        text = json.dumps([dict(self.values), dict(self.tags)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class ScoreBook:
    """The scores of a results folder, each file read once; ``notes`` names what can't be."""

    def __init__(self, results: ResultsFolder) -> None:
        self._results = results
        self._files: dict[str, ScoresFile | None] = {}
        self.notes: list[str] = []

    def of(self, record: RunRecord) -> RunScores | None:
        """None for a run that was not scored (yet)."""
        if record.dataset not in self._files:
            self._files[record.dataset] = self._read(record.dataset)
        file = self._files[record.dataset]
        for evaluation in file.evaluations if file is not None else ():
            member = evaluation.members.get(record.run_id)
            if member is not None and evaluation.dataset_fingerprint == record.dataset_fingerprint:
                return run_scores(member, evaluation)
        return None

    def _read(self, dataset: str) -> ScoresFile | None:
        path = self._results.scores(dataset)
        if not path.exists():
            return None
        try:
            return ScoresFile.read(path)
        except ResultsError as error:
            self.notes.append(str(error))
            return None


def run_scores(member: Member, evaluation: Evaluation) -> RunScores:
    """``score.<metric>``, its parts as ``score.<metric>.<part>``, ``score.total`` and so on."""
    fitted = Fitted()
    fitted.add_tags(dict(_tags(member, evaluation)))
    return RunScores({fitting_name(name): value for name, value in _values(member)}, fitted.tags)


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
    yield "multiverse.evaluator", evaluation.evaluator.version
    yield "multiverse.evaluator.scib_metrics", evaluation.evaluator.scib_metrics
    if member.image is not None:
        yield "multiverse.evaluator.image_tag", member.image.tag
        yield "multiverse.evaluator.image_digest", member.image.digest
    if member.environment_lock:
        yield "multiverse.evaluator.environment_lock", member.environment_lock
