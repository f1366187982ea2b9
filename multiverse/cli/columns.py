"""Long tables, thousands of rows: rich takes a second for each thousand, this none."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from multiverse.cli.terminal import console
from multiverse.engines import printable

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
    columns = [_Column(cells) for cells in zip(names, *rows, strict=True)]
    widths = [column.width for column in columns]
    if console().is_terminal:
        _fit(widths, [names.index(name) for name in cut], console().width)
    laid = [
        column.laid_out(width, at_right=name in right)
        for name, column, width in zip(names, columns, widths, strict=True)
    ]
    sys.stdout.writelines(GAP.join(cells).rstrip() + "\n" for cells in zip(*laid, strict=True))


class _Column:
    """The cells of a column. What is plain, as most are, is found out for all of them at once."""

    def __init__(self, cells: Sequence[str]) -> None:
        whole = "".join(cells)
        self._cells = cells if whole.isprintable() else [printable(cell) for cell in cells]
        self._length = len if whole.isascii() else cell_len
        self.width = max(map(self._length, self._cells))

    def laid_out(self, width: int, *, at_right: bool) -> list[str]:
        if width < self.width:
            return [self._fitted(cell, width, at_right) for cell in self._cells]
        if self._length is len:
            return [cell.rjust(width) if at_right else cell.ljust(width) for cell in self._cells]
        return [self._fitted(cell, width, at_right) for cell in self._cells]

    def _fitted(self, cell: str, width: int, at_right: bool) -> str:
        missing = width - self._length(cell)
        if missing < 0:
            return set_cell_size(cell, width - 1) + "…"
        return " " * missing + cell if at_right else cell + " " * missing


def _fit(widths: list[int], cut: Sequence[int], available: int) -> None:
    """Take from the widest of the columns that may be cut, one cell at a time."""
    wide = [index for index in cut if widths[index] > MIN_WIDTH]
    while wide and sum(widths) + len(GAP) * (len(widths) - 1) > available:
        widths[max(wide, key=lambda index: widths[index])] -= 1
        wide = [index for index in cut if widths[index] > MIN_WIDTH]
