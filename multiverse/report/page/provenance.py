"""The origin of the numbers: engines, images, environments, versions, hosts, checksums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiverse.contract.job_spec import ImageReference
from multiverse.report.page.source import DatasetSource
from multiverse.report.page.text import duration, memory, moment
from multiverse.report.words import plain
from multiverse.runs.record import RunRecord


@dataclass(frozen=True)
class RunOrigin:
    """The origin of one run. ``runtime``: the image's digest, or the environment's lock."""

    title: str
    run_id: str
    seed: int
    engine: str
    isolation: str
    image: str
    runtime: str
    versions: str
    host: str
    started: str
    model_time: str
    metric_time: str
    checksums: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class EvaluatorOrigin:
    """One run of the evaluator."""

    started: str
    engine: str
    image: str
    runtime: str
    scored: int
    time: str
    peak: str
    message: str


@dataclass(frozen=True)
class Provenance:
    """Of one dataset's runs and scores."""

    key: str
    title: str
    origins: tuple[RunOrigin, ...]
    evaluator: tuple[tuple[str, str], ...]
    evaluations: tuple[EvaluatorOrigin, ...]


def provenance(source: DatasetSource) -> Provenance:
    """Return everything that the records say of the origin."""
    return Provenance(
        key=source.key,
        title=source.title,
        origins=tuple(_origin(source, run.record) for run in source.ordered),
        evaluator=tuple(_evaluator(source)),
        evaluations=tuple(_evaluations(source)),
    )


def _origin(source: DatasetSource, record: RunRecord) -> RunOrigin:
    member = source.evaluation.members.get(record.run_id) if source.evaluation else None
    return RunOrigin(
        title=source.run_titles[record.run_id],
        run_id=plain(record.run_id, 40),
        seed=record.seed,
        engine=plain(f"{record.engine.name} {record.engine.version}", 80),
        isolation=plain(record.engine.isolation, 300),
        image=plain(record.image.tag, 120) if record.image else "–",
        runtime=_runtime(record.image, record.environment_lock),
        versions=facts(record.versions),
        host=facts(record.host),
        started=moment(record.started_at),
        model_time=duration(record.usage.wall_seconds),
        metric_time="–" if member is None else duration(member.seconds),
        checksums=tuple(
            (plain(file, 60), plain(checksum, 100))
            for file, checksum in sorted(record.checksums.items())[:20]
        ),
    )


def _runtime(image: ImageReference | None, lock: str | None) -> str:
    if image is not None and image.digest:
        return plain(image.digest, 100)
    return f"environment lock {plain(lock, 100)}" if lock else "–"


def facts(values: Mapping[str, Any]) -> str:
    """Return facts in one line: ``cpus 2, memory 23.5 GiB``."""
    said = []
    for fact, value in list(values.items())[:40]:
        if fact.endswith("_bytes") and isinstance(value, int):
            said.append(f"{plain(fact.removesuffix('_bytes'), 40)} {memory(value)}")
        else:
            said.append(f"{plain(fact, 40)} {plain(value, 120)}")
    return ", ".join(said) or "–"


def _evaluator(source: DatasetSource) -> list[tuple[str, str]]:
    if source.evaluation is None:
        return []
    evaluator = source.evaluation.evaluator
    return [
        ("Evaluator", plain(evaluator.version, 60)),
        ("scib-metrics", plain(evaluator.scib_metrics, 60)),
        ("Settings", facts(evaluator.settings)),
        ("Versions", facts(evaluator.versions)),
    ]


def _evaluations(source: DatasetSource) -> list[EvaluatorOrigin]:
    records = source.evaluation.records[-20:] if source.evaluation else ()
    return [
        EvaluatorOrigin(
            started=moment(record.started_at),
            engine=plain(f"{record.engine.name} {record.engine.version}", 80),
            image=plain(record.image.tag, 120) if record.image else "–",
            runtime=_runtime(record.image, record.environment_lock),
            scored=len(record.members),
            time=duration(record.usage.wall_seconds),
            peak=memory(record.usage.peak_memory_bytes),
            message=plain(record.message, 500),
        )
        for record in records
    ]
