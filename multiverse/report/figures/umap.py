"""UMAPs of all models side by side, once by label and once by batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from multiverse.report.figures.style import GREY, Colouring, colouring, name_of, new_figure
from multiverse.runs.layouts import Layouts

COLUMNS = 4
PANEL_INCHES = 1.55
LEGEND_INCHES = 2.3
#: Names in a column of the legend, a row of panels.
LEGEND_ROWS = 10
#: More panels go beyond what fits a page; the first ones, the best, are drawn.
MAX_PANELS = 60
_Places = NDArray[np.float64]


def umap_figure(
    title: str, layouts: Layouts, names: Mapping[str, str], unlabelled: Collection[str] = ()
) -> Figure | None:
    """Draw a block of panels for each of label and batch; None where there is no layout.

    ``names``: run id → what is written above its panel, in the order of the panels.
    ``unlabelled``: labels that mean "not known".
    """
    runs = [run_id for run_id in names if run_id in layouts.umaps][:MAX_PANELS]
    if not runs:
        return None
    blocks = _blocks(layouts, unlabelled)
    columns = min(COLUMNS, len(runs))
    rows = ceil(len(runs) / columns)
    size = (columns * PANEL_INCHES + LEGEND_INCHES, len(blocks) * (rows * PANEL_INCHES + 0.4) + 0.3)
    figure = new_figure(*size)
    figure.suptitle(title, fontsize=8.5, weight="bold", x=0.01, ha="left")
    parts = figure.subfigures(len(blocks), 1, squeeze=False)[:, 0]
    for part, (heading, colours) in zip(parts, blocks, strict=True):
        _block(part, heading, colours, [(names[run], layouts.umaps[run]) for run in runs], columns)
    return figure


def _blocks(layouts: Layouts, unlabelled: Collection[str]) -> list[tuple[str, Colouring]]:
    """Return the colourings of the cells; in one grey where nothing is known of them."""
    keys = (("label", layouts.label_key, unlabelled), ("batch", layouts.batch_key, ()))
    found = []
    for word, key, missing in keys:
        values = layouts.column(key, missing)
        if values is not None:
            found.append((f"By {word} ({name_of(key)})", colouring(values)))
    nothing = Colouring((GREY,) * len(layouts.cells), {})
    return found or [("No labels, no batch", nothing)]


def _block(
    part: SubFigure,
    heading: str,
    colours: Colouring,
    panels: Sequence[tuple[str, _Places]],
    columns: int,
) -> None:
    part.suptitle(heading, fontsize=7.5, x=0.01, ha="left")
    rows = ceil(len(panels) / columns)
    # The legend has a column of its own, as wide in every block: panels lie below each other.
    ratios = [PANEL_INCHES] * columns + [LEGEND_INCHES]
    grid = part.add_gridspec(rows, columns + 1, width_ratios=ratios)
    rgba = to_rgba_array(colours.colours)
    for number, (name, places) in enumerate(panels):
        axes = part.add_subplot(grid[number // columns, number % columns])
        axes.set_axis_off()
        _panel(axes, name, places, rgba)
    if colours.legend:
        _legend(part.add_subplot(grid[:, columns]), colours.legend, rows)


def _legend(axes: Axes, names: Mapping[str, str], rows: int) -> None:
    axes.set_axis_off()
    dots = [
        Line2D([], [], marker="o", ls="", ms=4, color=colour, label=name)
        for name, colour in names.items()
    ]
    columns = 1 if len(dots) <= LEGEND_ROWS * rows else 2
    size = 6 if columns == 1 else 5
    style = {"handletextpad": 0.1, "columnspacing": 0.8, "labelspacing": 0.35}
    legend = axes.legend(handles=dots, loc="center left", ncols=columns, fontsize=size, **style)
    legend.set_in_layout(False)  # it never takes room from the panels


def _panel(axes: Axes, name: str, places: _Places, rgba: _Places) -> None:
    """Draw cells in a random order, so that no category hides another; always the same one."""
    axes.set_title(name_of(name, 26), fontsize=6)
    known = np.flatnonzero(np.isfinite(places).all(axis=1))
    if not len(known):
        axes.text(0.5, 0.5, "no layout", ha="center", transform=axes.transAxes, color="#777777")
        return
    order = np.random.default_rng(0).permutation(known)
    size = float(np.clip(4000 / len(order), 0.4, 9))
    axes.scatter(
        places[order, 0],
        places[order, 1],
        s=size,
        c=rgba[order],
        lw=0,
        rasterized=True,
    )
    axes.set_aspect("equal", adjustable="datalim")
