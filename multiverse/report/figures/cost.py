"""Quality against what it cost: time and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from multiverse.report.figures.style import FEW, MARKERS, name_of, new_figure
from multiverse.report.summary import Comparison, Configuration
from multiverse.runs.aggregate import AGGREGATES

TITLES = {"total": "Total score", "bio": "Biology score", "batch": "Batch score"}
#: More points than a legend can tell apart; the best ones are drawn.
MAX_POINTS = 60

Cost = Callable[[Configuration], float | None]


def mean_seconds(configuration: Configuration) -> float | None:
    """Return the wall time of a run, the mean over seeds."""
    return _mean([run.record.usage.wall_seconds for run in configuration.runs])


def mean_gibibytes(configuration: Configuration) -> float | None:
    """Return the peak memory of a run in GiB, the mean over seeds that measured it."""
    peaks = [run.record.usage.peak_memory_bytes for run in configuration.runs]
    return _mean([peak / 2**30 for peak in peaks if peak])


def _mean(values: Sequence[float]) -> float | None:
    positive = [value for value in values if value > 0]  # a log axis has no zero
    return fmean(positive) if positive else None


def cost_figure(title: str, comparison: Comparison) -> Figure | None:
    """Draw two panels, time and memory, on logarithmic axes; None where no run has a score."""
    quality = next((name for name in AGGREGATES if _having(comparison, name)), None)
    if quality is None:
        return None
    points = _having(comparison, quality)[:MAX_POINTS]
    figure = new_figure(6.6, max(2.8, 0.17 * len(points) + 1.0))
    figure.suptitle(title, fontsize=8.5, weight="bold", x=0.01, ha="left")
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, points, quality, mean_seconds)
    _panel(right, points, quality, mean_gibibytes)
    left.set(xlabel="Time of a run (s)", ylabel=TITLES[quality])
    right.set(xlabel="Peak memory (GiB)")
    handles, labels = left.get_legend_handles_labels()
    if not handles:
        handles, labels = right.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside right center")
    return figure


def _having(comparison: Comparison, name: str) -> list[Configuration]:
    rows = comparison.configurations
    return [row for row in rows if row.aggregate(name).value is not None]


def _panel(axes: Axes, points: Sequence[Configuration], quality: str, cost: Cost) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(color="#E5E5E5", lw=0.5)
    axes.set_axisbelow(True)
    for number, row in enumerate(points):
        x, cell = cost(row), row.aggregate(quality)
        if x is None or cell.value is None:
            continue
        colour = FEW[number % len(FEW)]
        marker = MARKERS[number // len(FEW) % len(MARKERS)]
        if cell.interval is not None:
            axes.plot([x, x], [cell.interval.low, cell.interval.high], color=colour, lw=0.8)
        label = name_of(row.label, 30)
        axes.plot([x], [cell.value], marker, ms=5, color=colour, mec="black", mew=0.4, label=label)
    if not axes.lines:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes, color="#777777")
