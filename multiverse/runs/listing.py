"""Finding runs in a results folder, and the table of them."""

from __future__ import annotations

import csv
import gc
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from multiverse.errors import ResultsError, UsageError
from multiverse.runs.folder import AttemptFolder, ResultsFolder, RunFolder
from multiverse.runs.record import RunRecord, RunState
from multiverse.runs.spreadsheet import field
from multiverse.runs.writing import write_atomic


@dataclass(frozen=True)
class FoundRun:
    """A record and where it lies: a published run, or an attempt that did not complete."""

    record: RunRecord
    folder: Path

    @property
    def published(self) -> bool:
        return self.record.state is RunState.COMPLETE


@dataclass(frozen=True)
class Listing:
    """The runs of a folder; ``damaged`` has a sentence for each record that can't be read."""

    runs: tuple[FoundRun, ...]
    damaged: tuple[str, ...] = ()


def published_records(results: ResultsFolder) -> Iterator[Path]:
    """Where the record of each published run should be, by dataset, model and run id."""
    for dataset in _folders(results.folder):
        if dataset != results.attempts:
            for model in _folders(dataset):
                yield from (run / "run.json" for run in _folders(model))


def attempt_folders(results: ResultsFolder) -> Iterator[AttemptFolder]:
    """Every attempt that left a folder, by run id and number."""
    for run in _folders(results.attempts):
        with suppress(OSError):  # not ours to look into
            yield from results.attempts_of(run.name)


def _folders(parent: Path) -> list[Path]:
    """The folders in a folder, sorted; none if it is gone.

    Hidden ones are nobody's runs.
    """
    try:
        with os.scandir(parent) as entries:
            names = [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]
    except OSError:
        return []
    return [parent / name for name in sorted(names)]


def read_runs(results: ResultsFolder) -> Listing:
    """Complete runs, then the last attempt of every run that has not completed.

    Attempts that still run are left out. Raises :class:`ResultsError` if there is no such folder;
    a damaged record hides only itself.
    """
    results.check()
    with without_collection():
        return _read_runs(results)


def _read_runs(results: ResultsFolder) -> Listing:
    damaged: list[str] = []
    complete = list(_read(published_records(results), damaged))
    done = {run.record.run_id for run in complete}
    last: dict[str, FoundRun] = {}
    kept = (attempt.record for attempt in attempt_folders(results))
    for found in _read(kept, damaged):
        if found.record.run_id not in done and found.record.state is not RunState.RUNNING:
            last[found.record.run_id] = found  # attempts come by number
    return Listing((*complete, *last.values()), tuple(damaged))


@contextmanager
def without_collection() -> Iterator[None]:
    """Records hold no cycles, and looking for some in thousands of them takes half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(paths: Iterator[Path], damaged: list[str]) -> Iterator[FoundRun]:
    for path in paths:
        try:
            yield FoundRun(RunRecord.read(path), path.parent)
        except ResultsError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                damaged.append(first_line(error))


def first_line(error: Exception) -> str:
    """What is wrong, without the details that a validation adds."""
    return re.sub(r": \d+ validation errors? for \w+$", "", str(error).splitlines()[0])


def all_runs(results: ResultsFolder) -> list[FoundRun]:
    """The runs of :func:`read_runs`, without those whose record is damaged."""
    return list(read_runs(results).runs)


def attempts_of_run(run: FoundRun) -> list[FoundRun]:
    """The kept attempts at a run other than ``run`` itself, oldest first.

    A run lies three folders deep, published or not.
    """
    folder = run.folder.absolute()
    results = ResultsFolder(folder.parents[2])
    kept = (attempt.record for attempt in results.attempts_of(run.record.run_id))
    return [item for item in _read(kept, []) if item.folder != folder]


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
    """``runs.csv``: one line a run, rebuilt from the records; no text in it is a formula."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    for run in all_runs(results):
        writer.writerow(_row(run, results.folder))
    write_atomic(results.runs_table, stream.getvalue())


def _row(run: FoundRun, base: Path) -> dict[str, str]:
    record = run.record
    values = {
        **record.model_dump(mode="json", include=set(COLUMNS)),
        **record.usage.model_dump(),
        "engine": record.engine.name,
        "image_tag": record.image and record.image.tag,
        "image_digest": record.image and record.image.digest,
        "parameters": "; ".join(f"{key}={value}" for key, value in record.parameters.items()),
        "folder": run.folder.relative_to(base),
    }
    return {name: field(values[name]) for name in COLUMNS}
