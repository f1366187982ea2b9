"""Running jobs as people see them: a row each, a line each, and how long it all takes yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from multiverse.cli.terminal import plain_table, safe
from multiverse.runs import Remaining
from multiverse.specs import format_bytes, format_seconds

#: More running jobs than this are counted, not shown.
MAX_LIVE_ROWS = 20
#: Above this part of its memory, a job is likely to be ended for it.
HIGH_MEMORY = 0.9
BAR_WIDTH = 8
#: On a terminal of this width there is room for the values of the epoch.
VALUES_FROM_WIDTH = 130
MIN_NAME = 20


@dataclass(frozen=True)
class RunningRow:
    """One running job. Memory is in bytes; ``remaining`` in seconds, None if it is not known.

    ``limit``: ``epochs`` is the most that there can be, so that no bar shows how far it is.
    """

    name: str
    elapsed: float
    memory: int | None
    memory_limit: int
    gpu: str | None = None
    epoch: int | None = None
    epochs: int | None = None
    limit: bool = False
    values: Mapping[str, float] = field(default_factory=dict)
    remaining: float | None = None

    @property
    def memory_is_high(self) -> bool:
        return self.memory is not None and self.memory > HIGH_MEMORY * self.memory_limit

    @property
    def memory_words(self) -> str:
        """``1.2 of 8.0 GiB``."""
        if self.memory is None:
            return ""
        used, limit = format_bytes(self.memory), format_bytes(self.memory_limit)
        number, _, unit = used.partition(" ")
        return f"{number if limit.endswith(f' {unit}') else used} of {limit}"

    @property
    def epoch_words(self) -> str:
        if self.epoch is None:
            return ""
        if not self.epochs:
            return str(self.epoch)
        return f"{self.epoch}{' of ≤' if self.limit else '/'}{self.epochs}"

    @property
    def value_words(self) -> str:
        return ", ".join(f"{name} {value:.6g}" for name, value in list(self.values.items())[:3])

    @property
    def remaining_words(self) -> str:
        return "" if self.remaining is None else f"~{format_seconds(self.remaining)}"

    def line(self) -> str:
        """Return the row as a line, for where there is no terminal."""
        high = " (nearly all)" if self.memory_is_high else ""
        parts = (
            format_seconds(self.elapsed),
            self.memory_words and self.memory_words + high,
            self.gpu and f"GPU {self.gpu}",
            self.epoch_words and f"epoch {self.epoch_words.replace('≤', 'at most ')}",
            self.value_words,
            self.remaining_words and f"about {self.remaining_words[1:]} left",
        )
        return f"{self.name}: {' · '.join(filter(None, parts))}"


def counts_line(counts: Mapping[str, int], remaining: Remaining | None) -> str:
    """Return ``2 running · 3 queued · about 5m 10s left``; what is zero has no word."""
    parts = [f"{count:,} {word}" for word, count in counts.items() if count]
    return " · ".join([*parts, *filter(None, [remaining_line(remaining)])]) or "nothing to do"


def remaining_line(remaining: Remaining | None) -> str:
    if remaining is None:
        return ""
    return (
        f"{'at least' if remaining.at_least else 'about'} {format_seconds(remaining.seconds)} left"
    )


def running_table(rows: Sequence[RunningRow], width: int, height: int) -> Table:
    """Return the first ``rows`` that have room, in ``width`` cells; columns only if used."""
    shown = rows[: max(1, min(MAX_LIVE_ROWS, height))]
    cells = [_cells(row) for row in shown]
    wanted = [name for name in _COLUMNS if any(row[name] for row in cells)]
    if width < VALUES_FROM_WIDTH and "values" in wanted:
        wanted.remove("values")
    heads = ["" if name == "bar" else name for name in wanted]
    room = max(MIN_NAME, width - sum(_width(name, cells) for name in wanted[1:]))
    table = plain_table(*heads, right=("epoch", "elapsed", "memory", "left"))
    table.collapse_padding = width < VALUES_FROM_WIDTH
    for row, found in zip(shown, cells, strict=True):
        name = safe(_short(row.name, room), "bold")
        table.add_row(name, *(found[column] or "" for column in wanted[1:]))
    if len(rows) > len(shown):
        table.add_row(Text(f"and {len(rows) - len(shown):,} more running", style="dim"))
    return table


_COLUMNS = ("job", "bar", "epoch", "elapsed", "memory", "GPU", "left", "values")


def _width(column: str, rows: Sequence[Mapping[str, RenderableType | None]]) -> int:
    """Return the cells that a column takes, with what parts it from the one before."""
    found = [row[column] for row in rows]
    widths = [cell.cell_len if isinstance(cell, Text) else BAR_WIDTH for cell in found if cell]
    return max([len(column), *widths]) + 1


def _cells(row: RunningRow) -> dict[str, RenderableType | None]:
    bar = None
    if row.epoch is not None and row.epochs and not row.limit:
        bar = ProgressBar(total=row.epochs, completed=max(row.epoch, 0), width=BAR_WIDTH)
    return {
        "job": safe(row.name),
        "bar": bar,
        "epoch": safe(row.epoch_words) or None,
        "elapsed": safe(format_seconds(row.elapsed)),
        "memory": safe(row.memory_words, "bold red" if row.memory_is_high else "") or None,
        "GPU": safe(row.gpu or "") or None,
        "left": safe(row.remaining_words) or None,
        "values": safe(row.value_words, "dim") or None,
    }


def _short(name: str, width: int) -> str:
    """Shorten a name in the middle: dataset and model begin it, the seed ends it."""
    if len(name) <= width:
        return name
    end = (width - 1) // 3
    return f"{name[: width - 1 - end]}…{name[-end:]}"
