"""The style of all figures: colours that everybody can tell apart, text as text, safe files."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from multiverse.report.figures.files import FORMATS
from multiverse.report.words import plain
from multiverse.runs.writing import write_atomic

#: Okabe & Ito (2008), for up to eight categories.
FEW = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
#: Tol's discrete rainbow (2021), for more.
MANY = (
    "#D9CCE3", "#CAACCB", "#BA8DB4", "#AA6F9E", "#994F88", "#882E72", "#1965B0", "#437DBF",
    "#6195CF", "#7BAFDE", "#4EB265", "#90C987", "#CAE0AB", "#F7F056", "#F7CB45", "#F4A736",
    "#EE8026", "#E65518", "#DC050C", "#A5170E", "#72190E", "#42150A",
)  # fmt: skip
GREY = "#BBBBBB"
MARKERS = "osD^vP*X<>hp"
NAME_LIMIT = 28
#: Resolution of what is rasterised inside a vector file (points of a UMAP).
DPI = 300

_SETTINGS: Mapping[str, object] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "text.parse_math": False,
    "text.usetex": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "multiverse",  # equal results give equal files
    "pdf.fonttype": 42,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Apply the house's settings, whatever the user's matplotlib has; no text is a formula."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Characters that the font lacks are boxes in a PDF and text in an SVG.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches; no window and no global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Save the figure as SVG and PDF, each put in place by one rename."""
    written = []
    for kind in FORMATS:
        stream = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"CreationDate": None}
        figure.savefig(stream, format=kind, dpi=DPI, metadata=metadata)
        path = folder / f"{name}.{kind}"
        write_atomic(path, stream.getvalue())
        written.append(path)
    return written


def name_of(text: object, limit: int = NAME_LIMIT) -> str:
    """Return a text of any length and content as a name in a figure."""
    return plain(text, limit) or "(no name)"


@dataclass(frozen=True)
class Colouring:
    """A colour for each of many values. ``legend``: shown name → colour."""

    colours: tuple[str, ...]
    legend: Mapping[str, str]


def colouring(values: Sequence[str | None]) -> Colouring:
    """Return colours by category, the most frequent first; rare ones of very many share a grey.

    None: the value is not known.
    """
    counts = Counter(value for value in values if value is not None)
    frequent = [value for value, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    shown = frequent if len(frequent) <= len(MANY) else frequent[: len(MANY) - 1]
    of_value = dict(zip(shown, _palette(len(shown)), strict=True))
    legend = {_unique(value, shown): colour for value, colour in of_value.items()}
    if len(shown) < len(frequent):
        legend[f"{len(frequent) - len(shown):,} others"] = GREY
    if len(counts) == 0 or sum(counts.values()) < len(values):
        legend["not known"] = GREY
    colours = tuple(GREY if value is None else of_value.get(value, GREY) for value in values)
    return Colouring(colours, legend)


def _unique(value: str, among: Sequence[str]) -> str:
    """Return the value's name, with a number where a cut makes it equal to another's."""
    same = [other for other in among if name_of(other) == name_of(value)]
    return name_of(value) if len(same) == 1 else f"{name_of(value)} ({same.index(value) + 1})"


def _palette(number: int) -> list[str]:
    if number <= len(FEW):
        return list(FEW[:number])
    step = (len(MANY) - 1) / (number - 1)
    # Not in the rainbow's order: the most frequent categories are far from each other in it.
    places = sorted(range(number), key=lambda index: (index % 4, index))
    return [MANY[round(index * step)] for index in places]
