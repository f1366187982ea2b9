"""The comparison as a figure: circles for metrics, bars for means, as scIB draws it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from multiverse.contract.scores import Group, MetricFacts
from multiverse.report.figures.style import name_of, new_figure
from multiverse.report.summary import Cell, Comparison, Configuration
from multiverse.report.verdict import MEASURES
from multiverse.report.words import shown_rank
from multiverse.runs.aggregate import AGGREGATES
from multiverse.runs.warned import MARK, warnings_of

HEADINGS = {Group.BIO: "Biology", Group.BATCH: "Batch", Group.STRUCTURE: "Structure"}
#: One hue a group, light to dark: readable without seeing hues at all.
COLOURS = {Group.BIO: "Blues", Group.BATCH: "Oranges", Group.STRUCTURE: "Greys"}
BARS = (("bio", "Biology", Group.BIO), ("batch", "Batch", Group.BATCH), ("total", "Total", None))
TOTAL_COLOUR = "#009E73"
#: More would be no figure any more; the table of numbers has all of them.
MAX_ROWS = 120
INCHES = 0.36
_LABEL, _BAR, _GAP, _HEAD = 6.6, 2.0, 0.5, 4.4


@dataclass(frozen=True)
class _Column:
    x: float
    metric: MetricFacts


def table_figure(title: str, comparison: Comparison) -> Figure:
    """Draw one row a configuration, best first, then the controls."""
    columns = list(_columns(comparison))
    rows = comparison.configurations[:MAX_ROWS]
    bars = (columns[-1].x + 1 if columns else 0) + _GAP
    width = _LABEL + 1.2 + bars + _BAR * len(BARS) + 1.6
    height = _HEAD + len(rows) + len(comparison.controls) + 2.4
    figure = new_figure(width * INCHES, height * INCHES)
    axes = figure.add_subplot()
    axes.set(xlim=(-_LABEL - 1.2, width - _LABEL - 1.2), ylim=(height - _HEAD, -_HEAD))
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.text(-_LABEL - 1.2, 0.5 - _HEAD, title, fontsize=8.5, weight="bold", va="center")
    _headings(axes, columns, bars)
    for y, row in enumerate(rows):
        _row(axes, y, row, columns, bars, rows, comparison.leading)
    last = len(rows)
    if comparison.controls:
        axes.text(-_LABEL - 1.2, last + 0.15, "Controls", fontsize=6.5, weight="bold", va="center")
        for number, row in enumerate(comparison.controls):
            _row(axes, last + 1 + number, row, columns, bars, (), comparison.leading)
        last += 1 + len(comparison.controls)
    for number, note in enumerate(_notes(comparison)):
        axes.text(-_LABEL - 1.2, last + 0.2 + 0.62 * number, note, fontsize=5.5, color="#444444")
    return figure


def _columns(comparison: Comparison) -> Iterator[_Column]:
    x = 0.5
    for group in HEADINGS:
        found = [metric for metric in comparison.metrics if metric.group is group]
        for metric in found:
            yield _Column(x, metric)
            x += 1
        x += _GAP if found else 0


def _headings(axes: Axes, columns: Sequence[_Column], bars: float) -> None:
    for column in columns:
        name = name_of(column.metric.title, 26)
        axes.text(
            column.x, -0.7, name, rotation=45, rotation_mode="anchor", fontsize=6, va="center"
        )
    for group, heading in HEADINGS.items():
        places = [column.x for column in columns if column.metric.group is group]
        if places:
            axes.plot([places[0] - 0.4, places[-1] + 0.4], [-0.52, -0.52], color="black", lw=0.6)
            axes.text(places[0] - 0.4, 0.9 - _HEAD + 0.25, heading, fontsize=6.5, weight="bold")
    for number, (_, heading, _group) in enumerate(BARS):
        x = bars + number * _BAR
        axes.text(x, -0.7, heading, fontsize=6.5, weight="bold", va="center")
        axes.plot([x, x + _BAR - 0.3], [-0.52, -0.52], color="black", lw=0.6)
    axes.text(bars + _BAR * len(BARS), -0.7, "metrics", fontsize=6, va="center")
    axes.text(-1.0, -0.7, "rank", fontsize=6, ha="center", va="center")


def _row(
    axes: Axes,
    y: float,
    row: Configuration,
    columns: Sequence[_Column],
    bars: float,
    others: Sequence[Configuration],
    leading: str,
) -> None:
    style = "normal" if others else "italic"
    label = _marked(row)
    axes.text(-_LABEL - 1.2, y, label, va="center", fontsize=6.5, style=style)
    if row.rank is not None:
        rank = shown_rank(row.rank, shared=row.shares_rank)
        axes.text(-1.0, y, rank, va="center", ha="center", fontsize=6.5)
    for column in columns:
        _circle(axes, y, row.metrics[column.metric.name], column, others)
    for number, (name, _heading, group) in enumerate(BARS):
        _bar(axes, bars + number * _BAR, y, row.aggregate(name), group)
    covered = row.aggregate(leading).coverage
    if covered:
        axes.text(bars + _BAR * len(BARS), y, covered, fontsize=6, va="center")


def _marked(row: Configuration) -> str:
    """Return a row's name, with the mark of what its runs warn of."""
    return warnings_of([run.record for run in row.runs]).beside(name_of(row.label, 30))


def _warned(comparison: Comparison) -> list[str]:
    """Return what the mark means, if a row has it."""
    records = [run.record for row in comparison.configurations for run in row.runs]
    return [f"{MARK}: the model warns of its result."] if warnings_of(records).words else []


def _circle(
    axes: Axes, y: float, cell: Cell, column: _Column, others: Sequence[Configuration]
) -> None:
    if cell.value is None:
        axes.text(column.x, y, "n/a", fontsize=5, color="#777777", ha="center", va="center")
        return
    share = _share(cell.value, column.metric)
    colour = colormaps[COLOURS[column.metric.group]](0.12 + 0.7 * share)
    axes.add_patch(Circle((column.x, y), 0.33 + 0.13 * share, color=colour, lw=0))
    best = _is_best(cell.value, column.metric, others)
    axes.text(
        column.x,
        y,
        f"{cell.value:z.2f}",
        fontsize=5.3,
        ha="center",
        va="center",
        color="white" if share > 0.62 else "black",
        weight="bold" if best else "normal",
    )


def _share(value: float, metric: MetricFacts) -> float:
    """Return the position of the value between the metric's worst (0) and best (1)."""
    low, high = metric.bounds
    share = min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5
    return share if metric.higher_is_better else 1 - share


def _is_best(value: float, metric: MetricFacts, others: Sequence[Configuration]) -> bool:
    if metric.group is Group.STRUCTURE:
        return False
    values = [other.metrics[metric.name].value for other in others]
    known = [number for number in values if number is not None]
    if len(known) < 2:
        return False
    return value == (max(known) if metric.higher_is_better else min(known))


def _bar(axes: Axes, x: float, y: float, cell: Cell, group: Group | None) -> None:
    room = _BAR - 0.3
    if cell.value is None:
        axes.text(x, y, "n/a", fontsize=5, color="#777777", va="center")
        return
    share = min(1.0, max(0.0, cell.value))
    colour = TOTAL_COLOUR if group is None else colormaps[COLOURS[group]](0.55)
    axes.add_patch(Rectangle((x, y - 0.33), room, 0.66, facecolor="#F2F2F2", lw=0))
    axes.add_patch(Rectangle((x, y - 0.33), room * share, 0.66, facecolor=colour, lw=0))
    if cell.interval is not None:
        ends = [min(1.0, max(0.0, end)) for end in (cell.interval.low, cell.interval.high)]
        axes.plot([x + room * end for end in ends], [y + 0.24] * 2, color="black", lw=0.8)
    axes.text(x + 0.08, y - 0.03, f"{cell.value:z.3f}", fontsize=5.5, va="center")


def _notes(comparison: Comparison) -> Iterator[str]:
    left_out = len(comparison.configurations) - MAX_ROWS
    if left_out > 0:
        yield f"{left_out:,} more configurations are in scores.csv."
    words = ["Bold: highest of a column."] if len(comparison.configurations) > 1 else []
    words.append("n/a: not available.")
    shown = (*comparison.configurations, *comparison.controls)
    if any(row.aggregate(name).interval for row in shown for name in AGGREGATES):
        words.append("Lines in bars: 95 % intervals.")
    yield " ".join([*words, *_warned(comparison)])
    if comparison.ranked_by:
        yield (
            f"Rank, by {MEASURES[comparison.ranked_by]}: shared (=) by those indistinguishable "
            "from the first of them (95 % interval of the paired difference)."
        )
    if comparison.coverage_differs:
        yield "Scores are over different metrics: only rows with the same ones are ranked."
