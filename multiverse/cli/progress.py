"""Shows a running benchmark: one live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from multiverse.cli.terminal import console, plain_table, safe
from multiverse.engines.log_sink import printable
from multiverse.runner.events import Epoch, Task
from multiverse.runs.listing import FoundRun
from multiverse.runs.record import RunState, Usage
from multiverse.specs.quantity import format_bytes, format_seconds

STYLES = {
    RunState.COMPLETE: "green",
    RunState.FAILED: "red",
    RunState.NOT_APPLICABLE: "yellow",
    RunState.CANCELLED: "yellow",
}
#: Without a terminal, a running job says so at most this often (seconds).
LINE_SECONDS = 15.0
MAX_LIVE_ROWS = 20


@dataclass
class _Active:
    task: Task
    memory_limit: int
    usage: Usage = field(default_factory=Usage)
    epoch: Epoch | None = None
    said: float = field(default_factory=time.monotonic)


class Progress:
    """A :class:`multiverse.runner.events.Listener` for people."""

    def __init__(self, out: Console | None = None) -> None:
        self._console = out or console()
        self._lock = threading.Lock()
        self._queued: dict[str, Task] = {}
        self._active: dict[str, _Active] = {}
        self._done = 0
        self._live: Live | None = None
        self._partial: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def _show(self) -> None:
        """Begin the live view, with the first job: what comes before is said in plain lines."""
        if self._live is None and self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._view,
                refresh_per_second=4,
                transient=True,
            )
            self._live.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def queued(self, task: Task, why: str) -> None:
        with self._lock:
            self._queued[task.run_id] = task
        self._show()
        if why != "new":
            self._print(f"{task.name}: to run because {why}")

    def reused(self, task: Task, run: FoundRun) -> None:
        self._print(f"{task.name}: already {_word(run.record.state)} ({run.record.run_id})")

    def started(self, task: Task, attempt: int, memory_limit: int) -> None:
        with self._lock:
            self._queued.pop(task.run_id, None)
            self._active[task.run_id] = _Active(task, memory_limit)
        again = f", attempt {attempt}" if attempt > 1 else ""
        self._print(f"{task.name}: started ({task.run_id}{again})")

    def progress(self, task: Task, usage: Usage, epoch: Epoch | None) -> None:
        with self._lock:
            active = self._active.get(task.run_id)
            if active is None:
                return
            active.usage, active.epoch = usage, epoch
            due = time.monotonic() - active.said >= LINE_SECONDS
            if due:
                active.said = time.monotonic()
        if due and self._live is None:
            self._print(f"{task.name}: {' · '.join(filter(None, _figures(active)))}")

    def output(self, task: Task, chunk: bytes) -> None:
        *lines, rest = (self._partial.pop(task.run_id, b"") + chunk).split(b"\n")
        self._partial[task.run_id] = rest[-4096:]
        for line in lines:
            self._print(f"  {task.model} | {line.decode(errors='replace')}")

    def finished(self, task: Task, run: FoundRun) -> None:
        with self._lock:
            self._active.pop(task.run_id, None)
            self._done += 1
        record = run.record
        text = Text(f"{task.name}: ") + Text(
            _word(record.state), style=f"bold {STYLES[record.state]}"
        )
        text.append(f" in {format_seconds(record.usage.wall_seconds)}")
        if record.message:
            text.append(f" — {printable(record.message)}")
        for warning in record.warnings:
            text.append(f"\n  warning: {printable(warning)}", style="yellow")
        if record.state is RunState.FAILED:
            text.append(f"\n  log: {printable(str(run.folder / 'container.log'))}")
        self._console.print(text)

    def _print(self, line: str) -> None:
        self._console.print(Text(printable(line)))

    def _view(self) -> Group:
        """What the terminal shows while jobs run."""
        with self._lock:
            active, queued = list(self._active.values()), len(self._queued)
        head = Text(f"{len(active)} running · {queued} queued · {self._done} done", style="dim")
        return Group(self._rows(active[:MAX_LIVE_ROWS]), head) if active else Group(head)

    def _rows(self, active: list[_Active]) -> Table:
        table = plain_table("job", "elapsed", "memory", "epoch", "", folded=("job",))
        for item in active:
            elapsed, memory, epoch, values = _figures(item)
            table.add_row(safe(item.task.name, "bold"), elapsed, memory, epoch, safe(values, "dim"))
        return table


def _figures(active: _Active) -> tuple[str, str, str, str]:
    usage, epoch = active.usage, active.epoch
    memory = ""
    if usage.peak_memory_bytes is not None:
        memory = f"{format_bytes(usage.peak_memory_bytes)} of {format_bytes(active.memory_limit)}"
    if epoch is None:
        return format_seconds(usage.wall_seconds), memory, "", ""
    number = f"epoch {epoch.number}" + (f"/{epoch.total}" if epoch.total else "")
    values = ", ".join(f"{name} {value:.6g}" for name, value in list(epoch.values.items())[:3])
    return format_seconds(usage.wall_seconds), memory, number, values


def _word(state: RunState) -> str:
    return state.value.replace("_", " ")
