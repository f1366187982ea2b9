"""The scores of a run as metrics and tags."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from multiverse.errors import ResultsError
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results
from multiverse.runs.scores import Evaluation, Member, ScoresFile
from multiverse.tracking.names import Fitted, fitting_name

PREFIX = "score."
REASON = "score_reason."
AGGREGATES = ("total", "bio", "batch")
#: What was known of the cells that were scored.
LABELS, LABEL_KEY, BATCH_KEY = (
    f"multiverse.{name}" for name in ("labels_fingerprint", "label_key", "batch_key")
)
_TAGS = (REASON, "multiverse.coverage.", "multiverse.evaluator")


@dataclass(frozen=True)
class RunScores:
    """``values``: metric → value, where there is one. ``tags``: why not, and what scored it.

    ``digest`` changes with any of them, and is empty where there is nothing.
    """

    values: Mapping[str, float]
    tags: Mapping[str, str]

    @property
    def digest(self) -> str:
        if not self.values and not self.tags:
            return ""
        text = json.dumps([dict(self.values), dict(self.tags)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class ScoreBook:
    """The scores of a results folder, each file read once; ``notes`` names what can't be."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._files: dict[str, ScoresFile | None] = {}
        self.notes: list[str] = []

    def of(self, record: RunRecord) -> RunScores | None:
        """Nothing in it for a run that has no scores (yet, or any more); None: not known."""
        if record.dataset not in self._files:
            self._files[record.dataset] = self._read(record.dataset)
        file = self._files[record.dataset]
        if file is None:
            return None
        for evaluation in file.evaluations:
            member = evaluation.member_of(record)
            if member is not None and evaluation.dataset_fingerprint == record.dataset_fingerprint:
                return run_scores(member, evaluation)
        return RunScores({}, {})

    def _read(self, dataset: str) -> ScoresFile | None:
        """The file, an empty one where there is none; None if it can't be read."""
        try:
            return self._results.scores_file(dataset)
        except ResultsError as error:
            self.notes.append(str(error))
            return None


def run_scores(member: Member, evaluation: Evaluation) -> RunScores:
    """``score.<metric>``, its parts as ``score.<metric>.<part>``, ``score.total`` and so on."""
    fitted = Fitted()
    fitted.add_tags(dict(_tags(member, evaluation)))
    return RunScores({fitting_name(name): value for name, value in _values(member)}, fitted.tags)


def is_of_scores(tag: str) -> bool:
    """Whether a tag of this name comes from here."""
    return tag.startswith(_TAGS) or tag in (LABELS, LABEL_KEY, BATCH_KEY)


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
    yield LABELS, evaluation.labels_fingerprint or ""
    yield LABEL_KEY, sheet.label_key or ""
    yield BATCH_KEY, sheet.batch_key or ""
    if member.image is not None:
        yield "multiverse.evaluator.image_tag", member.image.tag
        yield "multiverse.evaluator.image_digest", member.image.digest
    if member.environment_lock:
        yield "multiverse.evaluator.environment_lock", member.environment_lock
