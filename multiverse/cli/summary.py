"""The table at the end of a run, and of ``multiverse runs``."""

from __future__ import annotations

from multiverse.cli.progress import STYLES
from multiverse.cli.terminal import console, plain_table, safe
from multiverse.results import Results, Run
from multiverse.runs.record import RunState
from multiverse.specs.quantity import format_bytes, format_seconds


def print_runs(runs: list[Run]) -> None:
    """Model, status, wall time, peak memory and shape of the embedding of each run."""
    several = len({run.record.dataset for run in runs}) > 1
    table = plain_table(
        "dataset", "model", "seed", "status", "time", "peak memory", "embedding", "run",
        right=("seed", "time", "peak memory"),
    )  # fmt: skip
    previous = ""
    for run in sorted(runs, key=lambda run: run.record.dataset):
        record = run.record
        shape = f"{record.n_obs:,} × {record.n_dims}" if record.n_dims else "—"
        memory = record.usage.peak_memory_bytes
        shown = record.dataset if record.dataset != previous or not several else ""
        previous = record.dataset
        table.add_row(
            safe(shown),
            safe(record.model, "bold"),
            str(record.seed),
            safe(record.state.replace("_", " "), STYLES[record.state]),
            format_seconds(record.usage.wall_seconds),
            "—" if memory is None else format_bytes(memory),
            shape,
            record.run_id,
        )
    console().print(table)


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
    first = next((run for run in results if run.record.state is RunState.COMPLETE), None)
    if first is not None:
        out.print(safe(f"a picture: {first.files.umap}", "dim"))
        out.print(safe(f"explain one: multiverse show {first.folder}", "dim"))
