"""One run: parameters, seed, resources, training curves, log; and one that failed, with why."""

from __future__ import annotations

from dataclasses import dataclass

from multiverse.report.page.charts import Chart, curve_charts
from multiverse.report.page.history import (
    log_tail,
    model_metrics,
    read_history,
    settings_of,
    summary,
)
from multiverse.report.page.source import DatasetSource
from multiverse.report.page.text import Name, duration, figure, memory, moment, name
from multiverse.report.words import plain
from multiverse.runs.record import RunRecord
from multiverse.runs.run import Run

#: Attempts of one failed run that are told one by one, the newest.
MAX_ATTEMPTS = 10
#: With more runs each shows three curves instead of six; their numbers are listed all the same.
FEW_RUNS = 12


@dataclass(frozen=True)
class RunCard:
    """Everything about one complete run but its scores."""

    key: str
    run_id: str
    title: str
    model: Name
    version: str
    seed: int
    facts: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, str, bool], ...]
    preprocessing: tuple[tuple[str, str, bool], ...]
    model_metrics: tuple[tuple[str, str], ...]
    curves: tuple[Chart, ...]
    curve_rows: tuple[tuple[str, str, int, str, str, str], ...]
    warnings: tuple[str, ...]
    log: tuple[str, ...]
    time: str
    memory: str


@dataclass(frozen=True)
class Attempt:
    """One attempt that did not complete."""

    number: int
    cause: str
    message: str
    memory_limit: str
    peak: str
    time: str


@dataclass(frozen=True)
class FailureCard:
    """A run that did not complete, by its last attempt."""

    key: str
    title: str
    run_id: str
    state: str
    cause: str
    message: str
    findings: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    earlier: int
    curves: tuple[Chart, ...]
    curve_rows: tuple[tuple[str, str, int, str, str, str], ...]
    log: tuple[str, ...]
    folder: str


def run_card(source: DatasetSource, run: Run, number: int) -> RunCard:
    """Return the card of a complete run."""
    record = run.record
    history = read_history(run)
    metrics = list(model_metrics(run).items())[:60]
    return RunCard(
        key=f"{source.key}-run{number}",
        run_id=plain(record.run_id, 40),
        title=source.run_titles[record.run_id],
        model=name(record.model),
        version=plain(record.model_version, 40),
        seed=record.seed,
        facts=tuple(_facts(record)),
        parameters=tuple(settings_of(record.parameters, record.changed)),
        preprocessing=tuple(settings_of(record.preprocessing, {})),
        model_metrics=tuple((plain(metric, 80), figure(value, 4)) for metric, value in metrics),
        curves=tuple(curve_charts(history, limit=6 if len(source.runs) <= FEW_RUNS else 3)),
        curve_rows=tuple(_curve_row(row) for row in summary(history)),
        warnings=tuple(plain(warning, 500) for warning in record.warnings),
        log=tuple(log_tail(run)),
        time=duration(record.usage.wall_seconds),
        memory=memory(record.usage.peak_memory_bytes),
    )


def failure_card(source: DatasetSource, run: Run, number: int) -> FailureCard:
    """Return the card of a run that failed or was cancelled."""
    record = run.record
    history = read_history(run)
    attempts = [found.record for found in run.other_attempts()] + [record]
    return FailureCard(
        key=f"{source.key}-failure{number}",
        title=source.run_titles[record.run_id],
        run_id=plain(record.run_id, 40),
        state=str(record.state),
        cause=_cause(record),
        message=plain(record.message, 1000),
        findings=tuple(plain(finding, 500) for finding in record.findings[:50]),
        attempts=tuple(map(_attempt, attempts[-MAX_ATTEMPTS:])),
        earlier=max(0, len(attempts) - MAX_ATTEMPTS),
        curves=tuple(curve_charts(history, limit=3)),
        curve_rows=tuple(_curve_row(row) for row in summary(history)),
        log=tuple(log_tail(run)),
        folder=plain("/".join(run.folder.parts[-3:]), 200),
    )


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    usage, limits = record.usage, record.limits
    found = [
        ("Time", duration(usage.wall_seconds)),
        ("CPU time", duration(usage.cpu_seconds)),
        ("Peak memory", memory(usage.peak_memory_bytes)),
        ("Memory limit", memory(limits.get("memory"))),
        ("CPU cores", figure(limits.get("cpus"))),
        ("Threads", str(record.threads)),
        ("Device", plain(record.device, 60)),
        ("Seed", str(record.seed)),
        ("Dimensions", "–" if record.n_dims is None else str(record.n_dims)),
        ("Modalities", plain(", ".join(record.modalities), 120)),
        ("Started", moment(record.started_at)),
        ("Attempt", str(record.attempt)),
    ]
    if record.gpu is not None:
        held = memory(record.gpu.peak_memory_bytes)
        found.append(("GPU", f"{plain(record.gpu.name, 80)}, at most {held} held"))
    return found


def _attempt(record: RunRecord) -> Attempt:
    return Attempt(
        number=record.attempt,
        cause=_cause(record),
        message=plain(record.message, 300),
        memory_limit=memory(record.limits.get("memory")),
        peak=memory(record.usage.peak_memory_bytes),
        time=duration(record.usage.wall_seconds),
    )


def _cause(record: RunRecord) -> str:
    return str(record.cause or record.state).replace("_", " ")


def _curve_row(
    row: tuple[str, str, int, float, float, float],
) -> tuple[str, str, int, str, str, str]:
    metric, per, number, first, lowest, last = row
    return metric, per, number, figure(first, 5), figure(lowest, 5), figure(last, 5)
