"""Training curves: one panel a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from multiverse.contract.curves import Curve, read_curves
from multiverse.report.figures.style import FEW, name_of, new_figure
from multiverse.report.summary import Configuration
from multiverse.runs.run import Run

COLUMNS = 3
MAX_PANELS = 60
MAX_CURVES = 2
#: What training improves comes first; a weight or a learning rate is a setting.
_FIRST = ("elbo", "loss", "likelihood", "reconstruction")
_LAST = ("weight", "lr", "learning_rate")


def curves_figure(title: str, configurations: Sequence[Configuration]) -> Figure | None:
    """Draw the objective in the course of training, a line a seed; None where no run has it."""
    found = [(item.label, _curves(item.runs)) for item in configurations]
    panels = [(label, curves) for label, curves in found if curves][:MAX_PANELS]
    if not panels:
        return None
    columns = min(COLUMNS, len(panels))
    rows = ceil(len(panels) / columns)
    figure = new_figure(2.4 * columns + 0.4, 1.8 * rows + 0.5)
    figure.suptitle(title, fontsize=8.5, weight="bold", x=0.01, ha="left")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (label, curves) in zip(grid.flat, panels, strict=False):
        _panel(axes, label, curves)
    return figure


def _curves(runs: Sequence[Run]) -> dict[str, list[Curve]]:
    """Return name → a curve for each run that has it; the few most telling names, on one axis."""
    found: dict[str, list[Curve]] = {}
    for run in runs:
        for curve in read_curves(run.files):
            if curve.over_time:
                found.setdefault(curve.name, []).append(curve)
    names = sorted(found, key=_importance)
    same = [name for name in names if found[name][0].per == found[names[0]][0].per]
    return {name: found[name] for name in same[:MAX_CURVES]}


def _importance(name: str) -> tuple[bool, int, str]:
    lower = name.lower()
    first = next((place for place, word in enumerate(_FIRST) if word in lower), len(_FIRST))
    return any(word in lower for word in _LAST), first, lower


def _panel(axes: Axes, label: str, curves: Mapping[str, Sequence[Curve]]) -> None:
    axes.set_title(name_of(label), fontsize=7)
    axes.set_xlabel(name_of(next(iter(curves.values()))[0].per.capitalize()))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    for place, (name, lines) in enumerate(curves.items()):
        for seed, curve in enumerate(lines):
            shown = name_of(name.replace("_", " ")) if seed == 0 else None
            style = "-o" if len(curve.points) == 1 else "-"
            axes.plot(
                curve.numbers, curve.values, style, ms=2, lw=0.9, color=FEW[place], label=shown
            )  # fmt: skip
    axes.legend(fontsize=5.5, loc="best")
