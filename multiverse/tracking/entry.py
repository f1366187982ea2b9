"""The MLflow entry of one run: everything of its record, in names that MLflow takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from multiverse.facts import Cause, RunState
from multiverse.runs.record import RunRecord
from multiverse.tracking.measured import MetricPoint
from multiverse.tracking.names import MAX_EXPERIMENT, Fitted, storable

#: What is copied: a run that was cancelled has not ended, it goes on with the next command.
FINISHED = frozenset({RunState.COMPLETE, RunState.FAILED, RunState.NOT_APPLICABLE})
_KILLED = frozenset({Cause.KILLED, Cause.INTERRUPTED, Cause.CANCELLED})

RUN_ID = "multiverse.run_id"
STARTED_AT = "multiverse.started_at"
FINGERPRINT = "multiverse.dataset_fingerprint"


@dataclass(frozen=True)
class Key:
    """One execution of one run: a run that was repeated has another start."""

    run_id: str
    started_at: str


@dataclass(frozen=True)
class Entry:
    """One run of MLflow. Times in milliseconds since 1970; ``status`` is one of MLflow's."""

    key: Key
    experiment: str
    name: str
    status: str
    start: int
    end: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    resources: tuple[MetricPoint, ...]
    dataset: str
    fingerprint: str
    n_obs: int


def entry_of(record: RunRecord, experiment: str | None = None) -> Entry:
    """Return a run's entry. ``experiment``: instead of the one that the run was recorded with."""
    fitted = Fitted()
    _add_params(fitted, record)
    _add_tags(fitted, record)
    start = milliseconds(record.started_at) or 0
    took = round(record.usage.wall_seconds * 1000)
    name = storable(experiment or record.experiment or "multiverse")
    return Entry(
        key=Key(fitted.tags.get(RUN_ID, ""), fitted.tags.get(STARTED_AT, "")),
        experiment=name[:MAX_EXPERIMENT],
        name=storable(f"{record.model}, seed {record.seed}"),
        status=_status(record),
        start=start,
        end=milliseconds(record.finished_at) or start + took,
        params=fitted.params,
        tags=fitted.tags,
        resources=tuple(_resources(record)),
        dataset=storable(record.dataset),
        fingerprint=fitted.tags.get(FINGERPRINT, ""),
        n_obs=record.n_obs,
    )


def milliseconds(time: str) -> int | None:
    """Return the milliseconds of an ISO time since 1970; None for what is none."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, round(aware.timestamp() * 1000))


def _status(record: RunRecord) -> str:
    """Return MLflow's status. Not applicable is no failure: the run ended as it should."""
    if record.state is not RunState.FAILED:
        return "FINISHED"
    return "KILLED" if record.cause in _KILLED else "FAILED"


def _add_params(fitted: Fitted, record: RunRecord) -> None:
    fitted.add_params(
        {
            "seed": record.seed,
            "modalities": ", ".join(record.modalities),
            "device": record.device,
            "threads": record.threads,
        }
    )
    fitted.add_params(record.parameters)
    fitted.add_params(record.preprocessing, "preprocessing.")


def _add_tags(fitted: Fitted, record: RunRecord) -> None:
    fitted.add_tags(_identity(record), "multiverse.")
    fitted.add_tags(record.host, "multiverse.host.")
    fitted.add_tags(record.versions, "multiverse.version.")
    fitted.add_tags(record.tags, "multiverse.tag.")
    version = record.versions.get("multiverse", "")
    fitted.add_tags({"mlflow.source.name": f"multiverse {version}".strip()})
    if fitted.cut:
        fitted.add_tags({"multiverse.cut": ", ".join(fitted.cut)})


def _identity(record: RunRecord) -> dict[str, Any]:
    image, gpu = record.image, record.gpu
    return {
        "run_id": record.run_id,
        "started_at": record.started_at,
        "attempt": record.attempt,
        "dataset": record.dataset,
        "dataset_fingerprint": record.dataset_fingerprint,
        "model": f"{record.model} {record.model_version}",
        "image_tag": image.tag if image else None,
        "image_digest": image.digest if image else None,
        "environment_lock": record.environment_lock,
        "engine": f"{record.engine.name} {record.engine.version}".strip(),
        "isolation": record.engine.isolation,
        "gpu": gpu.name if gpu else None,
        "state": record.state,
        "cause": record.cause,
        "message": record.message,
        "warnings": "\n".join(record.warnings),
    }


def _resources(record: RunRecord) -> list[MetricPoint]:
    usage, gpu = record.usage, record.gpu
    found = {
        "wall_seconds": usage.wall_seconds,
        "cpu_seconds": usage.cpu_seconds,
        "peak_memory_bytes": usage.peak_memory_bytes,
        "gpu_peak_memory_bytes": gpu.peak_memory_bytes if gpu else None,
    }
    return [
        MetricPoint(f"resource/{name}", float(value))
        for name, value in found.items()
        if value is not None
    ]
