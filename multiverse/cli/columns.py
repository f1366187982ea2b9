"""Long tables, thousands of rows: rich takes a second for each thousand, this none."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from multiverse.cli.terminal import console
from multiverse.engines.log_sink import printable

GAP = "  "
#: What is left at least of a column that has to be cut.
MIN_WIDTH = 8


def print_columns(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    cut: Sequence[str] = (),
) -> None:
    """Print aligned columns; on a terminal, ``cut`` columns are cut until a row fits."""
    lines = [list(names), *([_clean(cell) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    if console().is_terminal:
        _fit(widths, [names.index(name) for name in cut], console().width)
    at_right = [name in right for name in names]
    for line in lines:
        cells = map(_cell, line, widths, at_right)
        sys.stdout.write(GAP.join(cells).rstrip() + "\n")


def _clean(text: str) -> str:
    return text if text.isprintable() else printable(text)


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _cell(text: str, width: int, at_right: bool) -> str:
    missing = width - _width(text)
    if missing < 0:
        return set_cell_size(text, width - 1) + "…"
    return " " * missing + text if at_right else text + " " * missing


def _fit(widths: list[int], cut: Sequence[int], available: int) -> None:
    """Take from the widest of the columns that may be cut, one cell at a time."""
    wide = [index for index in cut if widths[index] > MIN_WIDTH]
    while wide and sum(widths) + len(GAP) * (len(widths) - 1) > available:
        widths[max(wide, key=lambda index: widths[index])] -= 1
        wide = [index for index in cut if widths[index] > MIN_WIDTH]
