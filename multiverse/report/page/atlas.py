"""The UMAPs of one dataset, packed: coordinates of every run, columns to colour cells by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multiverse.registry.column_facts import describe_columns
from multiverse.registry.column_roles import label_columns
from multiverse.registry.label_advice import label_advice
from multiverse.report.page.columns import ColourColumn, pack_column, packed
from multiverse.report.page.source import DatasetSource
from multiverse.report.page.text import name
from multiverse.report.words import counted, plain
from multiverse.runs.layouts import Layouts, find_layouts
from multiverse.runs.run import Run
from multiverse.runs.warned import warnings_of

#: Coordinates are whole numbers up to this; the next one says that a cell has no place.
LAST = 65534
NOWHERE = 65535
#: What the columns of one dataset may take, in bytes before base64: the rest stays in the file.
MAX_COLUMN_BYTES = 3 * 1024 * 1024
MAX_COLUMNS = 40
#: Cells are named on the page as far as their names fit into this.
MAX_NAME_BYTES = 1024 * 1024
MAX_NAME = 60
PLAIN_NAME = re.compile(r"[!-~]{1,60}")
DEPTH = "_depth"


@dataclass(frozen=True)
class Picture:
    """One run's UMAP. ``missing``: cells without a place in it."""

    run_id: str
    title: str
    missing: int


@dataclass(frozen=True)
class Atlas:
    """``content`` is what the page's script draws from; the rest is for the template.

    Empty ``pictures``: there is nothing to draw, and ``problem`` says why. ``advice``: which
    columns of the cells could be labels, where there are none.
    """

    key: str
    title: str
    n_cells: int = 0
    pictures: tuple[Picture, ...] = ()
    columns: tuple[str, ...] = ()
    content: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""
    warned: tuple[str, ...] = ()
    advice: str = ""


def read_atlas(source: DatasetSource) -> Atlas:
    """Read the file of embeddings that says it is of these data, whatever it is called.

    A damaged or absent file is said, not raised. A file of another fingerprint is never shown.
    """
    if not source.complete:
        return Atlas(source.key, source.title, problem="No run completed.")
    layouts, damaged = find_layouts(source.paths, source.slug, source.fingerprint)
    if layouts is not None:
        return _atlas(source, layouts)
    said = "embeddings.h5ad is not there yet. It is written by: multiverse evaluate RESULTS"
    problems = [plain(f"{error} {error.remedy or ''}", 300) for error in damaged[:3]]
    return Atlas(source.key, source.title, problem="; ".join(problems) or said)


def _atlas(source: DatasetSource, layouts: Layouts) -> Atlas:
    cells = layouts.cells
    pictures, coordinates = _pictures(layouts.umaps, source)
    first = [key for key in (layouts.label_key, layouts.batch_key) if key]
    columns, notes = _columns(cells, first)
    names, said = _cell_names(cells.index)
    content = {
        "n": len(cells),
        "pictures": coordinates,
        "columns": [column.content for column in columns],
        "names": names,
        "last": LAST,
    }
    problem = "" if pictures else "The file of embeddings holds no UMAP."
    return Atlas(
        key=source.key,
        title=source.title,
        n_cells=len(cells),
        pictures=tuple(pictures),
        columns=tuple(column.shown for column in columns),
        content=content if pictures else None,
        notes=(*notes, *said),
        problem=problem,
        warned=source.warned,
        advice=_advice(layouts),
    )


def _pictures(
    umaps: Mapping[str, NDArray[np.float64]], source: DatasetSource
) -> tuple[list[Picture], list[dict[str, Any]]]:
    """Return pictures in the order of the comparison; runs gone from the folder are left out."""
    pictures, coordinates = [], []
    for run in source.ordered:
        run_id = run.record.run_id
        if run_id not in umaps:
            continue
        x, y, missing = quantised(umaps[run_id])
        title, full = _title(source, run)
        pictures.append(Picture(run_id, title, missing))
        coordinates.append({"title": title, "full": full, "x": packed(x), "y": packed(y)})
    return pictures, coordinates


def _advice(layouts: Layouts) -> str:
    if layouts.label_key is not None:
        return ""
    return plain(label_advice(label_columns(describe_columns(layouts.cells))), 500)


def _title(source: DatasetSource, run: Run) -> tuple[str, str]:
    """Return what stands above a run's picture, and what it says to whoever points at that."""
    title = name(source.run_titles[run.record.run_id])
    warned = warnings_of([run.record])
    if not warned.words:
        return title.shown, title.full
    said = f"{title.full or title.shown}: {' '.join(warned.words)}"
    return warned.beside(title.shown), plain(said, 1000)


def quantised(points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Return whole numbers for coordinates of shape (n_cells, 2), both axes on one scale.

    The larger side spans 0 to 65534, the other is centred: an error of at most 1/130,000 of the
    picture. Cells without finite coordinates become 65535; how many is the third value.
    """
    placed = np.isfinite(points).all(axis=1)
    grid = np.full(points.shape, NOWHERE, dtype="<u2")
    if placed.any():
        known = points[placed]
        low, high = known.min(axis=0), known.max(axis=0)
        side = float((high - low).max()) or 1.0
        start = (low + high) / 2 - side / 2
        grid[placed] = np.clip(np.rint((known - start) / side * LAST), 0, LAST).astype("<u2")
    return grid[:, 0], grid[:, 1], int((~placed).sum())


def _columns(cells: pd.DataFrame, first: Sequence[str]) -> tuple[list[ColourColumn], list[str]]:
    """Return labels, batch, depths, then the other columns, as far as they fit."""
    names = [str(column) for column in cells.columns]
    depths = [column for column in names if column.endswith(DEPTH)]
    wanted = list(dict.fromkeys([*(key for key in first if key in names), *depths, *names]))
    packed_columns: list[ColourColumn] = []
    room = MAX_COLUMN_BYTES
    left_out = 0
    for column in wanted:
        made = pack_column(column, cells.iloc[:, names.index(column)], category=column in first)
        if len(packed_columns) == MAX_COLUMNS or (made.n_bytes > room and packed_columns):
            left_out += 1
            continue
        room -= made.n_bytes
        packed_columns.append(made)
    if not left_out:
        return packed_columns, []
    said = counted(left_out, "column")
    return packed_columns, [f"{said} of the cells left out here; embeddings.h5ad has all of them."]


def _cell_names(index: pd.Index) -> tuple[list[str], list[str]]:
    whole = [str(cell) for cell in index]
    if sum(min(len(cell), MAX_NAME) + 3 for cell in whole) > MAX_NAME_BYTES:
        said = "Cells are shown by number, counted from 1: their names would not fit on the page."
        return [], [said]
    return [_cell_name(cell) for cell in whole], []


def _cell_name(cell: str) -> str:
    """Return a cell's name; the usual barcode as it is, which is a hundred times faster."""
    return cell if PLAIN_NAME.fullmatch(cell) else plain(cell, MAX_NAME)
