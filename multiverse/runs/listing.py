"""Finding runs in a results folder, and the table of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from multiverse.errors import ResultsError, UsageError
from multiverse.runs.folder import AttemptFolder, ResultsFolder, RunFolder
from multiverse.runs.record import RunRecord, RunState
from multiverse.runs.writing import write_atomic


@dataclass(frozen=True)
class FoundRun:
    """A record and where it lies: a published run, or an attempt that did not complete."""

    record: RunRecord
    folder: Path

    @property
    def published(self) -> bool:
        return self.record.state is RunState.COMPLETE


def published_runs(results: ResultsFolder) -> Iterator[FoundRun]:
    """Every complete run, by dataset, model and run id."""
    for path in sorted(results.folder.glob("*/*/*/run.json")):
        if path.parents[2].name != results.attempts.name:
            yield FoundRun(RunRecord.read(path), path.parent)


def kept_attempts(results: ResultsFolder) -> Iterator[FoundRun]:
    """Every attempt that failed, was cancelled or was not applicable."""
    for path in sorted(results.attempts.glob("*/*/run.json")):
        yield FoundRun(RunRecord.read(path), path.parent)


def all_runs(results: ResultsFolder) -> list[FoundRun]:
    """Complete runs, then the last attempt of every run that has not completed."""
    if not results.folder.is_dir():
        raise ResultsError(
            f"{results.folder} is not a results folder",
            remedy="Name the folder given to `multiverse run --output`.",
        )
    complete = list(published_runs(results))
    done = {run.record.run_id for run in complete}
    last: dict[str, FoundRun] = {}
    for attempt in kept_attempts(results):
        seen = last.get(attempt.record.run_id)
        if attempt.record.run_id not in done and (
            seen is None or attempt.record.attempt > seen.record.attempt
        ):
            last[attempt.record.run_id] = attempt
    return [*complete, *last.values()]


def find_run(results: ResultsFolder, run_id: str) -> FoundRun:
    """The run whose id begins with ``run_id``; :class:`UsageError` if none or several do."""
    found = [run for run in all_runs(results) if run.record.run_id.startswith(run_id)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"no run in {results.folder} has an id that begins with {run_id!r:.40}",
            remedy=f"List them: multiverse runs {results.folder}",
        )
    ids = ", ".join(run.record.run_id for run in found[:8])
    raise UsageError(f"{run_id!r} could be {len(found)} runs: {ids}")


def earlier_runs(results: ResultsFolder, dataset: str, model: str) -> list[RunFolder]:
    """The published runs of one model on one dataset."""
    parent = results.folder / dataset / model
    if not parent.is_dir():
        return []
    return [RunFolder(path) for path in sorted(parent.iterdir()) if (path / "run.json").is_file()]


def last_attempt(results: ResultsFolder, run_id: str) -> AttemptFolder | None:
    """The newest attempt of a run that left a record."""
    attempts = [item for item in results.attempts_of(run_id) if item.record.is_file()]
    return attempts[-1] if attempts else None


COLUMNS = (
    "dataset", "model", "model_version", "run_id", "state", "cause", "seed", "device", "engine",
    "image_tag", "image_digest", "environment_lock", "n_obs", "n_dims", "wall_seconds",
    "cpu_seconds", "peak_memory_bytes", "attempt", "parameters", "message", "folder",
)  # fmt: skip


def write_table(results: ResultsFolder) -> None:
    """``runs.csv``: one line a run, rebuilt from the records."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    for run in all_runs(results):
        writer.writerow(_row(run, results.folder))
    write_atomic(results.runs_table, stream.getvalue())


def _row(run: FoundRun, base: Path) -> dict[str, object]:
    record = run.record
    values = {
        **record.model_dump(mode="json"),
        **record.usage.model_dump(),
        "engine": record.engine.name,
        "image_tag": record.image and record.image.tag,
        "image_digest": record.image and record.image.digest,
        "parameters": "; ".join(f"{key}={value}" for key, value in record.parameters.items()),
        "folder": run.folder.relative_to(base),
    }
    return {name: values[name] for name in COLUMNS}
