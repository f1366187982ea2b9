"""Bokeh figures as JSON: quality against cost, and training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from bokeh.embed import json_item
from bokeh.models import BasicTicker, ColumnDataSource, HoverTool, Range1d
from bokeh.models.annotations import Whisker
from bokeh.plotting import figure as new_figure

from multiverse.contract.curves import Curve
from multiverse.report.page.columns import OKABE_ITO
from multiverse.report.page.source import DatasetSource
from multiverse.report.page.text import chart_text, duration, memory, name
from multiverse.report.summary import RANKED, Configuration
from multiverse.report.words import plain, score

TOOLS = "pan,box_zoom,reset,save"
#: Beyond this ratio between largest and smallest, an axis of costs is logarithmic.
WIDE = 20.0
#: Points whose names are written beside them; of more, hovering tells.
MAX_LABELS = 15
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "star", "plus")


@dataclass(frozen=True)
class Chart:
    """``item`` is what Bokeh's ``embed_item`` draws. ``label`` says it to who can't see it."""

    label: str
    item: dict[str, Any]


@dataclass(frozen=True)
class CostPoint:
    """One configuration: quality and mean cost over its runs."""

    label: str
    quality: float
    low: float
    high: float
    seconds: float
    memory_bytes: float | None


@dataclass(frozen=True)
class CostRow:
    """The same for the table that stands for the chart."""

    label: str
    quality: str
    time: str
    memory: str
    runs: int


@dataclass(frozen=True)
class CostView:
    """Both charts of one dataset; without ``charts``, ``problem`` says why."""

    key: str
    title: str
    measure: str = ""
    charts: tuple[Chart, ...] = ()
    rows: tuple[CostRow, ...] = ()
    problem: str = ""


def make_cost(source: DatasetSource) -> CostView:
    """Chart quality against time and against peak memory."""
    comparison = source.comparison
    items = comparison.configurations if comparison else ()
    measure = _measure(items)
    if measure is None:
        return CostView(
            source.key,
            source.title,
            problem="There is neither a total nor a bio score to set cost against.",
        )
    points = [point for item in items if (point := _point(item, measure)) is not None]
    charts = [_cost_chart(points, measure, "seconds")]
    known = [point for point in points if point.memory_bytes is not None]
    if known:
        charts.append(_cost_chart(known, measure, "memory_bytes"))
    rows = tuple(
        CostRow(
            plain(item.label, 80), score(point.quality), duration(point.seconds),
            memory(point.memory_bytes), len(item.runs),
        )
        for item in items
        if (point := _point(item, measure)) is not None
    )  # fmt: skip
    return CostView(source.key, source.title, measure, tuple(charts), rows)


def _measure(items: Sequence[Configuration]) -> str | None:
    """Return the measure of quality: the score that ranks are of, if somebody has one."""
    found = (
        name for name in RANKED if any(item.aggregate(name).value is not None for item in items)
    )
    return next(found, None)


def _point(item: Configuration, measure: str) -> CostPoint | None:
    cell = item.aggregate(measure)
    if cell.value is None or not item.runs:
        return None
    usages = [run.record.usage for run in item.runs]
    memories = [usage.peak_memory_bytes for usage in usages if usage.peak_memory_bytes is not None]
    return CostPoint(
        label=chart_text(item.label),
        quality=cell.value,
        low=cell.interval.low if cell.interval else cell.value,
        high=cell.interval.high if cell.interval else cell.value,
        seconds=sum(usage.wall_seconds for usage in usages) / len(usages),
        memory_bytes=sum(memories) / len(memories) if memories else None,
    )


def _cost_chart(points: Sequence[CostPoint], measure: str, cost: str) -> Chart:
    if cost == "seconds":
        costs, title = [point.seconds for point in points], "time (s)"
    else:
        costs = [(point.memory_bytes or 0) / 1024**2 for point in points]
        title = "peak memory (MiB)"
    costs = [max(value, 1e-3) for value in costs]
    wide = max(costs) / min(costs) > WIDE
    source = ColumnDataSource(_cost_columns(points, costs, wide=wide))
    plot = new_figure(
        width=530, height=360, tools=TOOLS, toolbar_location="above",
        x_axis_type="log" if wide else "linear", x_range=_room(costs, 0.12, wide=wide),
        y_range=_room([y for point in points for y in (point.low, point.high)], 0.12, wide=False),
        x_axis_label=title, y_axis_label=f"{chart_text(measure)} score",
    )  # fmt: skip
    plot.add_layout(
        Whisker(base="cost", upper="high", lower="low", source=source, line_color="#888888")
    )
    dots = plot.scatter(
        "cost", "quality", source=source, size=11, color="colour", marker="marker",
        line_color="white",
    )  # fmt: skip
    if len(points) <= MAX_LABELS:
        plot.text(
            "cost", "quality", "label", source=source, x_offset="offset", y_offset=-6,
            text_align="side", text_font_size="12px", text_color="#222222",
        )  # fmt: skip
    tips = [("model", "@label"), (measure, "@shown"), ("time", "@time"), ("memory", "@memory")]
    plot.add_tools(HoverTool(renderers=[dots], tooltips=tips))
    label = f"Scatter of {measure} score against {title}, one point a model; "
    return _chart(plot, label + "the table below it holds the same numbers.")


def _cost_columns(
    points: Sequence[CostPoint], costs: Sequence[float], *, wide: bool
) -> dict[str, Any]:
    """Return the columns of a chart; names stand at the side of a point that has more room."""
    middle = sqrt(min(costs) * max(costs)) if wide else (min(costs) + max(costs)) / 2
    right = [value <= middle for value in costs]
    return {
        "cost": list(costs),
        "quality": [point.quality for point in points],
        "low": [point.low for point in points],
        "high": [point.high for point in points],
        "label": [point.label for point in points],
        "side": ["left" if free else "right" for free in right],
        "offset": [8 if free else -8 for free in right],
        "shown": [score(point.quality) for point in points],
        "time": [duration(point.seconds) for point in points],
        "memory": [memory(point.memory_bytes) for point in points],
        "colour": [OKABE_ITO[n % len(OKABE_ITO)] for n in range(len(points))],
        "marker": [MARKERS[n // len(OKABE_ITO) % len(MARKERS)] for n in range(len(points))],
    }


def _room(values: Sequence[float], share: float, *, wide: bool) -> Range1d:
    """Return a range with room around the values, as much of their span as ``share``."""
    low, high = min(values), max(values)
    if wide:
        room = (high / low) ** share
        return Range1d(start=low / room, end=high * room)
    room = (high - low) * share or abs(high) * share or 1.0
    return Range1d(start=low - room, end=high + room)


def curve_charts(history: Sequence[Curve], limit: int = 6) -> list[Chart]:
    """Chart training curves in small; ``loss_train`` and ``loss_validation`` share a figure.

    What is not measured in the course of training, such as a variance of each factor, is bars.
    """
    shared: dict[tuple[str, str], dict[str, Curve]] = {}
    for curve in history:
        stem, _, part = curve.name.rpartition("_")
        known = bool(stem) and part in ("train", "validation", "val", "test")
        group = (stem if known else curve.name, curve.per)
        shared.setdefault(group, {})[part if known else curve.name] = curve
    # Curves that move say more than settings that stand still.
    moving = sorted(shared, key=lambda group: _says_little(list(shared[group].values())))
    return [_curve(title, shared[title, per]) for title, per in moving[:limit]]


def _says_little(curves: Sequence[Curve]) -> tuple[bool, bool]:
    still = all(len(set(curve.values)) < 2 for curve in curves)
    return still, not all(curve.over_time for curve in curves)


def _curve(title: str, lines: Mapping[str, Curve]) -> Chart:
    first = next(iter(lines.values()))
    per = chart_text(first.per)
    plot = new_figure(
        width=300, height=220, tools=TOOLS, toolbar_location=None, title=chart_text(title),
        x_axis_label=per,
    )  # fmt: skip
    for position, (part, curve) in enumerate(lines.items()):
        step = -(-len(curve.points) // 400)
        numbers, values = curve.numbers[::step], curve.values[::step]
        colour, label = OKABE_ITO[position % len(OKABE_ITO)], chart_text(part, 24)
        if not curve.over_time:
            plot.vbar(numbers, top=values, width=0.8, color=colour, legend_label=label)
            continue
        dash = "solid" if position == 0 else "dashed"
        plot.line(
            numbers, values, line_width=2, line_dash=dash, color=colour, legend_label=label
        )  # fmt: skip
        if len(values) == 1:
            plot.scatter(numbers, values, color=colour)
    plot.xaxis.ticker = BasicTicker(min_interval=1, num_minor_ticks=0)  # no epoch 2.5
    plot.legend.label_text_font_size = "10px"
    plot.legend.background_fill_alpha = 0.7
    plot.legend.visible = len(lines) > 1  # the title names a single line
    value = "@y" if first.over_time else "@top"
    plot.add_tools(HoverTool(tooltips=[(per, "@x"), ("value", value)]))
    shown, kind = name(title, 60).shown, "Line" if first.over_time else "Bars"
    last = f"{kind} of {shown} by {per}; the table below it holds first, best and last."
    return _chart(plot, last)


def _chart(plot: Any, label: str) -> Chart:
    plot.toolbar.logo = None
    plot.min_border_right = 12
    plot.outline_line_color = "#cccccc"
    for axis in plot.axis:
        axis.axis_label_text_font_style = "normal"
    plot.title.text_font_size = "12px"
    return Chart(plain(label, 300), dict(json_item(plot)))
