"""``runs.csv``: every run with its numbers, one a line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.runs.spreadsheet import field
from multiverse.runs.writing import write_atomic

COLUMNS = (
    "dataset", "model", "model_version", "run_id", "state", "cause", "seed", "device", "engine",
    "image_tag", "image_digest", "environment_lock", "n_obs", "n_dims", "wall_seconds",
    "cpu_seconds", "peak_memory_bytes", "attempt", "parameters", "message", "folder",
)  # fmt: skip


def write_table(results: Results) -> None:
    """Write ``runs.csv``, a line for each run; no text in it is a formula."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    for run in results.runs:
        writer.writerow(_row(run, results.folder))
    write_atomic(results.paths.runs_table, stream.getvalue())


def _row(run: Run, base: Path) -> dict[str, str]:
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
