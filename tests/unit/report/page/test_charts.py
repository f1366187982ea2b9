"""A series is drawn as what it is: a course of training as a line, things side by side as bars."""

from __future__ import annotations

from typing import Any

from multiverse.contract.curves import Curve
from multiverse.report.page.charts import Chart, curve_charts


def glyphs(chart: Chart) -> list[str]:
    """The kinds of marks in a chart, such as Line and VBar."""
    return sorted(
        {kind for kind in ("Line", "VBar", "Scatter") if f"'name': '{kind}'" in str(chart.item)}
    )


def axis_labels(content: Any) -> set[str]:
    if isinstance(content, dict):
        own = {content["axis_label"]} if isinstance(content.get("axis_label"), str) else set()
        return own.union(*map(axis_labels, content.values()))
    return set().union(*map(axis_labels, content)) if isinstance(content, list) else set()


def test_lines_over_time_and_bars_for_the_rest() -> None:
    elbo = Curve("elbo", "iteration", ((1, -9.0), (6, -4.0), (11, -3.0)))
    variance = Curve("variance", "factor", ((1, 0.5), (2, 0.25)))
    line, bars = curve_charts([variance, elbo])
    assert glyphs(line) == ["Line"]
    assert axis_labels(line.item) == {"iteration"}
    assert line.label.startswith("Line of elbo by iteration;")
    assert glyphs(bars) == ["VBar"]
    assert axis_labels(bars.item) == {"factor"}
    assert bars.label.startswith("Bars of variance by factor;")


def test_train_and_validation_share_a_chart_if_they_share_an_axis() -> None:
    train = Curve("loss_train", "epoch", ((1, 3.0), (2, 2.0)))
    assert len(curve_charts([train, Curve("loss_validation", "epoch", ((1, 3.5),))])) == 1
    assert len(curve_charts([train, Curve("loss_validation", "step", ((1, 3.5),))])) == 2
