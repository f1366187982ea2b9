"""The table at the end of a run, and of ``multiverse runs``."""

from __future__ import annotations

from rich.text import Text

from multiverse.cli.progress import STYLES
from multiverse.cli.terminal import console, plain_table, print_table, safe
from multiverse.results import Results, Run
from multiverse.specs.quantity import format_bytes, format_seconds

COLUMNS = (
    "dataset", "model", "parameters", "seed", "status", "time", "memory", "embedding", "run",
)  # fmt: skip


def print_runs(runs: list[Run]) -> None:
    """Model, status, wall time, peak memory and shape of the embedding of each run.

    Fits a terminal of 80 columns: what is the same for all runs has no column, and the first
    eight digits of a run's id are enough for ``show``.
    """
    shown = {
        "parameters": any(run.record.changed for run in runs),
        "seed": len({run.record.seed for run in runs}) > 1,
    }
    columns = [name for name in COLUMNS if shown.get(name, True)]
    table = plain_table(
        *columns, right=("seed", "time", "memory"), folded=("dataset", "model", "parameters")
    )
    previous = ""
    for run in sorted(runs, key=lambda run: run.record.dataset):
        cells = _cells(run)
        if run.record.dataset == previous:
            cells["dataset"] = Text()
        previous = run.record.dataset
        table.add_row(*(cells[name] for name in columns))
    print_table(table)


def _cells(run: Run) -> dict[str, Text]:
    record, memory = run.record, run.record.usage.peak_memory_bytes
    changed = [safe(f"{name}={value}") for name, value in record.changed.items()]
    return {
        "dataset": safe(record.dataset),
        "model": safe(record.model, "bold"),
        "parameters": Text("\n").join(changed),
        "seed": safe(record.seed),
        "status": safe(record.state.replace("_", " "), STYLES[record.state]),
        "time": safe(format_seconds(record.usage.wall_seconds)),
        "memory": safe("—" if memory is None else format_bytes(memory)),
        "embedding": safe(f"{record.n_obs:,} × {record.n_dims}" if record.n_dims else "—"),
        "run": safe(record.run_id[:8]),
    }


def print_summary(results: Results) -> None:
    """What came of a benchmark, and where it lies."""
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
