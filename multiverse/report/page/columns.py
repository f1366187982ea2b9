"""Columns of cells, packed for colouring: codes of categories, or numbers."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from bokeh.palettes import Category20b, Category20c, Muted, Viridis
from numpy.typing import NDArray

from multiverse.report.page.text import name

#: Okabe and Ito's colours, the faintest last.
OKABE_ITO = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000", "#F0E442",
)  # fmt: skip
#: Categories with a colour and an entry in the legend of their own.
MAX_COLOURS = 30
#: Categories that are named when somebody points at a cell.
MAX_NAMED = 200
#: Whole numbers with so few values are read as categories.
FEW_VALUES = 12
OTHER_COLOUR, MISSING_COLOUR = "#b9b9b9", "#e4e4e4"


@dataclass(frozen=True)
class ColourColumn:
    """One column, ready for JSON. ``content`` holds no name as a key."""

    shown: str
    content: dict[str, Any]
    n_bytes: int


def pack_column(title: str, values: pd.Series, *, category: bool = False) -> ColourColumn:
    """Pack a column; numbers become float32 unless ``category`` or there are few of them."""
    if not category and _is_continuous(values):
        return _numbers(title, values)
    return _categories(title, values)


def _is_continuous(values: pd.Series) -> bool:
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    if pd.api.types.is_integer_dtype(values):
        return values.nunique() > FEW_VALUES
    return True


def _numbers(title: str, values: pd.Series) -> ColourColumn:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan).astype("<f4")
    finite = numbers[np.isfinite(numbers)]
    # The colours span all but the extremes, which would leave the rest in one colour.
    low, high = np.quantile(finite, (0.01, 0.99)) if len(finite) else (0.0, 1.0)
    content = {
        "kind": "number",
        **_title(title),
        "low": float(low),
        "high": float(high if high > low else low + 1),
        "least": float(finite.min()) if len(finite) else 0.0,
        "most": float(finite.max()) if len(finite) else 0.0,
        "missing": int(len(numbers) - len(finite)),
        "palette": list(Viridis[256]),
        "missing_colour": MISSING_COLOUR,
        "data": packed(numbers),
    }
    return ColourColumn(str(name(title)), content, numbers.nbytes)


def _categories(title: str, values: pd.Series) -> ColourColumn:
    """Return codes by frequency: named categories, one for all others, one for missing."""
    whole, uniques = pd.factorize(values)
    counts = np.bincount(whole[whole >= 0], minlength=len(uniques))
    order = np.argsort(-counts, kind="stable")
    named = min(len(order), MAX_NAMED)
    place = np.full(len(uniques) + 1, named, dtype=np.uint16)
    place[order[:named]] = np.arange(named, dtype=np.uint16)
    place[-1] = named + 1  # where pandas has -1: missing
    codes = place[whole]
    codes = codes.astype(np.uint8) if named + 2 <= 256 else codes.astype("<u2")
    colours = palette(len(order))
    entries = []
    for position, code in enumerate(order[:named]):
        shown = name(uniques[code])
        own = position < len(colours)
        entries.append(
            {
                "name": shown.shown,
                "full": shown.full if own else "",
                "count": int(counts[code]),
                "colour": colours[position] if own else OTHER_COLOUR,
            }
        )
    content = {
        "kind": "category",
        **_title(title),
        "entries": entries,
        "own": len(colours),
        "others": len(order) - len(colours),
        "other_count": int(counts[order[len(colours) :]].sum()),
        "missing": int((whole < 0).sum()),
        "other_colour": OTHER_COLOUR,
        "missing_colour": MISSING_COLOUR,
        "bytes": codes.itemsize,
        "data": packed(codes),
    }
    return ColourColumn(str(name(title)), content, codes.nbytes)


def palette(count: int) -> list[str]:
    """Return colours by rank of a category: Okabe and Ito's, Tol's muted, others; at most 30.

    The first 17 can be told apart by the colour-blind; no 30 can, so the legend also singles out.
    """
    return list(dict.fromkeys((*OKABE_ITO, *Muted[9], *Category20b[20], *Category20c[20])))[
        : min(count, MAX_COLOURS)
    ]


def packed(values: NDArray[Any]) -> str:
    """Return the bytes of an array as base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def _title(title: str) -> dict[str, str]:
    shown = name(title)
    return {"title": shown.shown, "full": shown.full}
