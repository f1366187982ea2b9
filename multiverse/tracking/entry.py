"""Everything that MLflow is told of one run, in names that MLflow takes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from multiverse.contract.curves import read_curves, read_model_metrics
from multiverse.contract.paths import OutputFiles
from multiverse.facts import Cause, RunState
from multiverse.runs.aggregate import AGGREGATES
from multiverse.runs.record import RunRecord
from multiverse.runs.scores import Evaluation, Member
from multiverse.tracking.names import Fitted, fitting_name, storable

#: MLflow's limit, in characters.
MAX_EXPERIMENT = 500
#: Of one run's curves. A model may write two million, which a database takes half an hour for;
#: of more, every second, third … of each is copied, and the last.
MAX_POINTS = 100_000
_KILLED = frozenset({Cause.KILLED, Cause.INTERRUPTED, Cause.CANCELLED})

#: What is a tag as the record has it.
SAME_NAME = (
    "run_id", "started_at", "attempt", "dataset", "dataset_fingerprint", "environment_lock",
    "state", "cause", "message",
)  # fmt: skip
RUN_ID = "multiverse.run_id"
STARTED_AT = "multiverse.started_at"
FINGERPRINT = "multiverse.dataset_fingerprint"


@dataclass(frozen=True)
class MetricPoint:
    """One value of one metric. ``step``: the epoch, from 1; 0 for what has none."""

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class Entry:
    """One run of MLflow, but for its curves and files.

    Times are in milliseconds since 1970; ``status`` is one of MLflow's.
    """

    record: RunRecord
    experiment: str
    name: str
    status: str
    start: int
    end: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: tuple[MetricPoint, ...]

    def is_of(self, tags: Mapping[str, str]) -> bool:
        """Return True for the tags of a copy: a run that was repeated has another start."""
        return all(tags.get(name) == self.tags.get(name) for name in (RUN_ID, STARTED_AT))

    @property
    def digest(self) -> str:
        """Return a hash that changes with anything that MLflow is told."""
        points = [(point.name, point.value) for point in self.points]
        told = [self.name, self.status, self.start, self.end, self.params, self.tags, points]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def entry_of(
    record: RunRecord, experiment: str | None = None, evaluation: Evaluation | None = None
) -> Entry:
    """Return what MLflow is told of a run.

    ``experiment``: instead of the one that the run was recorded with. ``evaluation``: of the run's
    dataset; its scores become ``score.<metric>``, their parts ``score.<metric>.<part>``, and
    ``score.total`` and so on.
    """
    fitted = Fitted()
    _add_params(fitted, record)
    _add_tags(fitted, record)
    points = _resources(record)
    member = None if evaluation is None else evaluation.member_of(record)
    if evaluation is not None and member is not None:
        fitted.add_tags(dict(_score_tags(member, evaluation)))
        points |= _values(member)
    fitted.add_tags({"multiverse.cut": ", ".join(fitted.cut)})
    start = milliseconds(record.started_at) or 0
    took = round(record.usage.wall_seconds * 1000)
    return Entry(
        record=record,
        experiment=storable(experiment or record.experiment or "multiverse")[:MAX_EXPERIMENT],
        name=storable(f"{record.model}, seed {record.seed}"),
        status=_status(record),
        start=start,
        end=milliseconds(record.finished_at) or start + took,
        params=fitted.params,
        tags=fitted.tags,
        points=tuple(MetricPoint(fitting_name(name), value) for name, value in points.items()),
    )


def read_points(output: OutputFiles) -> list[MetricPoint]:
    """Return ``epoch/<name>`` of every epoch, and ``model/<name>`` of what was measured at the end.

    A history that is per iteration or evaluation has that number as its step. What is not
    measured in the course of training is ``per_<word>/<name>``, such as ``per_factor/variance``,
    with the number of the factor as its step. MLflow's steps are integers of 64 bits. Of a curve
    too many points are thinned (:data:`MAX_POINTS`).
    """
    points = []
    curves = read_curves(output)
    pace = max(1, math.ceil(sum(len(curve.points) for curve in curves) / MAX_POINTS))
    for curve in curves:
        name = fitting_name(f"{'epoch' if curve.over_time else f'per_{curve.per}'}/{curve.name}")
        points += [MetricPoint(name, value, step) for step, value in curve.points[:-1:pace]]
        points += [MetricPoint(name, value, step) for step, value in curve.points[-1:]]
    for name, value in read_model_metrics(output).items():
        points.append(MetricPoint(fitting_name(f"model/{name}"), value))
    return points


def milliseconds(time: str) -> int | None:
    """Convert an ISO time to milliseconds since 1970; None for what is none."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, round(aware.timestamp() * 1000))


def _status(record: RunRecord) -> str:
    """Not applicable is no failure: the run ended as it should, without a result."""
    if record.state is not RunState.FAILED:
        return "FINISHED"
    return "KILLED" if record.cause in _KILLED else "FAILED"


def _add_params(fitted: Fitted, record: RunRecord) -> None:
    modalities = ", ".join(record.modalities)
    fitted.add_params({"seed": record.seed, "modalities": modalities})
    fitted.add_params({"device": record.device, "threads": record.threads})
    fitted.add_params(record.parameters)
    fitted.add_params(record.preprocessing, "preprocessing.")


def _add_tags(fitted: Fitted, record: RunRecord) -> None:
    fitted.add_tags(_facts(record), "multiverse.")
    fitted.add_tags(record.host, "multiverse.host.")
    fitted.add_tags(record.versions, "multiverse.version.")
    fitted.add_tags(record.tags, "multiverse.tag.")
    version = record.versions.get("multiverse", "")
    fitted.add_tags({"mlflow.source.name": f"multiverse {version}".strip()})


def _facts(record: RunRecord) -> dict[str, Any]:
    image, gpu = record.image, record.gpu
    return {name: getattr(record, name) for name in SAME_NAME} | {
        "model": f"{record.model} {record.model_version}",
        "image_tag": image.tag if image else None,
        "image_digest": image.digest if image else None,
        "engine": f"{record.engine.name} {record.engine.version}".strip(),
        "isolation": record.engine.isolation,
        "gpu": gpu.name if gpu else None,
        "warnings": "\n".join(record.warnings),
    }


def _resources(record: RunRecord) -> dict[str, float]:
    usage, gpu = record.usage, record.gpu
    found = {
        "wall_seconds": usage.wall_seconds,
        "cpu_seconds": usage.cpu_seconds,
        "peak_memory_bytes": usage.peak_memory_bytes,
        "gpu_peak_memory_bytes": gpu.peak_memory_bytes if gpu else None,
    }
    return {f"resource/{name}": float(value) for name, value in found.items() if value is not None}


def _values(member: Member) -> dict[str, float]:
    found: dict[str, float] = {}
    for metric, score in member.scores.items():
        if score.value is not None:
            found[f"score.{metric}"] = score.value
            found |= {f"score.{metric}.{part}": value for part, value in score.parts.items()}
    for name in AGGREGATES:
        aggregate = getattr(member, name)
        if aggregate.value is not None:
            found[f"score.{name}"] = aggregate.value
            if aggregate.interval is not None:
                found[f"score.{name}.low"] = aggregate.interval.low
                found[f"score.{name}.high"] = aggregate.interval.high
    return found


def _score_tags(member: Member, evaluation: Evaluation) -> Iterator[tuple[str, str | None]]:
    for metric, score in member.scores.items():
        if score.reason is not None:
            yield f"score_reason.{metric}", ": ".join(filter(None, (score.reason, score.detail)))
    for name in AGGREGATES:
        aggregate = getattr(member, name)
        yield f"multiverse.coverage.{name}", aggregate.coverage
        if aggregate.value is None:
            yield f"score_reason.{name}", aggregate.reason
    evaluator, sheet, image = evaluation.evaluator, evaluation.sheet, member.image
    yield "multiverse.evaluator", evaluator.version
    yield "multiverse.evaluator.scib_metrics", evaluator.scib_metrics
    yield "multiverse.evaluator.settings", json.dumps(evaluator.settings, sort_keys=True)
    yield "multiverse.evaluator.image_tag", image.tag if image else None
    yield "multiverse.evaluator.image_digest", image.digest if image else None
    yield "multiverse.evaluator.environment_lock", member.environment_lock
    yield "multiverse.labels_fingerprint", evaluation.labels_fingerprint
    yield "multiverse.label_key", sheet.label_key
    yield "multiverse.batch_key", sheet.batch_key
