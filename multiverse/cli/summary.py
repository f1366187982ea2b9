"""The table at the end of a run, and of ``multiverse runs``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from multiverse.api import Results, Run
from multiverse.cli.columns import print_columns
from multiverse.cli.progress import STYLES
from multiverse.cli.terminal import console, plain_table, print_table, safe
from multiverse.runs import RunRecord
from multiverse.specs import format_bytes, format_seconds

COLUMNS = (
    "dataset", "model", "parameters", "seed", "status", "time", "memory", "embedding", "run",
)  # fmt: skip


RIGHT = ("seed", "time", "memory")
FOLDED = ("dataset", "model", "parameters")
#: Columns of a terminal that has room for everything.
WIDE = 100
#: More rows than this are not laid out by rich.
LONG = 500


def print_runs(runs: Sequence[Run]) -> None:
    """Print model, status, wall time, peak memory and shape of the embedding of each run.

    Fits a terminal of 80 columns: what is the same for all runs has no column, the shape of the
    embedding gives way to parameters, and the first eight digits of a run's id are enough for
    ``show``.
    """
    changed = any(run.record.changed for run in runs)
    shown = {
        "parameters": changed,
        "embedding": not changed or console().width >= WIDE,
        "seed": len({run.record.seed for run in runs}) > 1,
    }
    columns = [name for name in COLUMNS if shown.get(name, True)]
    rows = []
    previous = ""
    for record in sorted((run.record for run in runs), key=lambda record: record.dataset):
        cells = _cells(record)
        if record.dataset == previous:
            cells["dataset"] = ""
        previous = record.dataset
        rows.append((record, cells))
    if len(rows) > LONG:
        lines = [[cells[name] for name in columns] for _, cells in rows]
        print_columns(columns, lines, right=RIGHT, cut=FOLDED)
        return
    table = plain_table(*columns, right=RIGHT, folded=FOLDED)
    for record, cells in rows:
        table.add_row(*(_styled(name, cells[name], record) for name in columns))
    print_table(table)


def _styled(column: str, cell: str, record: RunRecord) -> Text:
    if column == "parameters":
        return Text("\n").join(safe(f"{name}={value}") for name, value in record.changed.items())
    styles = {"model": "bold", "status": STYLES[record.state]}
    return safe(cell, styles.get(column, ""))


def _cells(record: RunRecord) -> dict[str, str]:
    memory = record.usage.peak_memory_bytes
    return {
        "dataset": record.dataset,
        "model": record.model,
        "parameters": ", ".join(f"{name}={value}" for name, value in record.changed.items()),
        "seed": str(record.seed),
        "status": record.state.replace("_", " "),
        "time": format_seconds(record.usage.wall_seconds),
        "memory": "—" if memory is None else format_bytes(memory),
        "embedding": f"{record.n_obs:,} × {record.n_dims}" if record.n_dims else "—",
        "run": record.run_id[:8],
    }


def print_notes(lines: Sequence[str], most: int = 20) -> None:
    """Print notes on unreadable files, last; never more of them than anybody reads."""
    out = console()
    for line in lines[:most]:
        out.print(safe(f"note: {line}", "yellow"))
    if len(lines) > most:
        out.print(safe(f"note: and {len(lines) - most:,} more", "yellow"))


def print_summary(results: Results) -> None:
    """Print the outcome of a benchmark, and the path of its results."""
    out = console()
    out.print()
    print_runs(list(results))
    for run in results:
        if not run.complete:
            out.print(safe(f"{run.record.dataset}/{run.record.model}: {run.record.message}"))
    for line in results.not_applicable:
        out.print(safe(f"not applicable: {line}", "yellow"))
    complete = sum(run.complete for run in results)
    out.print()
    out.print(safe(f"{complete} of {len(results)} runs complete in {results.folder}/", "bold"))
    engines = {run.record.engine.isolation for run in results if run.record.engine.name == "local"}
    for isolation in engines:
        out.print(safe(f"isolation of the local engine: {isolation}", "dim"))
    first = next((run for run in results if run.complete), None)
    if first is not None:
        command = f"multiverse show {first.record.run_id[:8]} --results {results.folder}"
        out.print(safe(f"a picture: {first.files.umap}", "dim"))
        out.print(safe(f"explain one: {command}", "dim"))
