"""Scores as people see them at the end of a command: one table a dataset, best total first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from multiverse.api import Results, comparisons
from multiverse.cli.terminal import console, plain_table, print_table, safe
from multiverse.runs import RunWarnings, warnings_of

if TYPE_CHECKING:
    from multiverse.report import Cell, Comparison, Configuration

COLUMNS = ("", "model", "total", "95 %", "bio", "batch", "metrics", "kept")
RIGHT = ("total", "95 %", "bio", "batch", "metrics", "kept")
KEPT = "neighbourhood_preservation"
#: A short list of reasons says more than a long one.
MAX_REASONS = 3


def print_scores(results: Results) -> None:
    """Print the totals of every dataset, with their intervals and what they are means of."""
    out = console()
    for dataset, comparison in comparisons(results):
        if comparison.configurations:
            _print_comparison(out, dataset, comparison)


def _print_comparison(out: Console, dataset: str, comparison: Comparison) -> None:
    from multiverse.report import conclusions  # what follows a run is loaded after its first job

    fingerprint = comparison.evaluation.dataset_fingerprint.rpartition(":")[2][:8]
    out.print()
    out.print(safe(f"scores on {dataset}", "bold") + safe(f"  data {fingerprint}", "dim"))
    interval = "95 %" if comparison.leading == "total" else f"95 % of {comparison.leading}"
    columns = [interval if one == "95 %" else one for one in COLUMNS]
    right = tuple(one for one, usual in zip(columns, COLUMNS, strict=True) if usual in RIGHT)
    table = plain_table(*columns, right=right, folded=("model",))
    for row in comparison.configurations:
        table.add_row(*_cells(row, comparison.leading))
    for row in comparison.controls:
        if row.aggregate(comparison.leading).value is not None:
            table.add_row(*_cells(row, comparison.leading), style="dim")
    print_table(table)
    for line in conclusions(comparison):
        out.print(safe(line))
    for line in _remarks(comparison):
        out.print(safe(line, "yellow"))


def _cells(row: Configuration, leading: str) -> list[str]:
    from multiverse.report import shown_rank

    return [
        shown_rank(row.rank, shared=row.shares_rank),
        _name(row),
        _number(row.total),
        _interval(row.aggregate(leading)),
        _number(row.bio),
        _number(row.batch),
        row.aggregate(leading).coverage,
        _number(row.metrics[KEPT]) if KEPT in row.metrics else "—",
    ]


def _name(row: Configuration) -> str:
    """Return a row's name, with the mark of what its runs warn of; a control's in brackets."""
    if not row.runs:
        return f"({row.label})"
    return _warnings(row).beside(row.label)


def _warnings(row: Configuration) -> RunWarnings:
    return warnings_of([run.record for run in row.runs])


def _warned(comparison: Comparison) -> list[str]:
    """Return a line for each warning of a run."""
    return [
        f"{found.mark} {row.label}: {word}"
        for row in comparison.configurations
        for found in [_warnings(row)]
        for word in found.words
    ]


def _number(cell: Cell) -> str:
    return "—" if cell.value is None else f"{cell.value:z.3f}"


def _interval(cell: Cell) -> str:
    interval = cell.interval
    return "" if interval is None else f"{interval.low:z.3f}–{interval.high:z.3f}"


def _remarks(comparison: Comparison) -> list[str]:
    """Return the remarks that a reader of the numbers must know."""
    lines = _warned(comparison)
    lines += [f"note: {note}" for note in comparison.evaluation.notes]
    if comparison.coverage_differs:
        lines.append("note: scores are means of different metrics; only equal ones are ranked")
    best = comparison.configurations[0]
    lacking = {
        metric.title: best.metrics[metric.name].reasons[:1]
        for metric in comparison.metrics
        if best.metrics[metric.name].value is None and best.metrics[metric.name].reasons
    }
    by_reason: dict[str, list[str]] = {}
    for title, (reason,) in lacking.items():
        by_reason.setdefault(reason, []).append(title)
    for reason, titles in list(by_reason.items())[:MAX_REASONS]:
        lines.append(f"not available: {', '.join(titles)}: {reason}")
    return lines
