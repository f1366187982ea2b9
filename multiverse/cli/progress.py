"""Shows a running benchmark: one live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from multiverse.cli.running import RunningRow, counts_line, running_table
from multiverse.cli.terminal import console
from multiverse.engines.log_sink import last_lines, printable
from multiverse.runner.events import Epoch, Start, Task
from multiverse.runs.record import RunRecord, RunState, Usage
from multiverse.runs.remaining import Remaining, job_remaining, total_remaining
from multiverse.runs.run import Run
from multiverse.specs.quantity import format_seconds

STYLES = {
    RunState.RUNNING: "cyan",
    RunState.COMPLETE: "green",
    RunState.FAILED: "red",
    RunState.NOT_APPLICABLE: "yellow",
    RunState.CANCELLED: "yellow",
}
#: Without a terminal, a running job says so at most this often (seconds), and so do all together.
LINE_SECONDS = 15.0
#: How much of a failed job's log is shown.
LOG_LINES = 4


@dataclass
class _Active:
    task: Task
    start: Start
    usage: Usage = field(default_factory=Usage)
    epoch: Epoch | None = None
    said: float = field(default_factory=time.monotonic)

    def row(self) -> RunningRow:
        epoch = self.epoch
        counted = None if epoch is None else (epoch.number, epoch.total)
        elapsed = self.usage.wall_seconds
        return RunningRow(
            name=self.task.name,
            elapsed=elapsed,
            memory=self.usage.peak_memory_bytes,
            memory_limit=self.start.memory,
            gpu=self.start.gpu,
            epoch=epoch.number if epoch else None,
            epochs=epoch.total if epoch else None,
            values=epoch.values if epoch else {},
            remaining=job_remaining(elapsed, counted, self.task.expected_seconds),
        )


class Progress:
    """A :class:`multiverse.runner.events.Listener` for people."""

    def __init__(self, out: Console | None = None, *, line_seconds: float = LINE_SECONDS) -> None:
        self._console = out or console()
        self._line_seconds = line_seconds
        self._lock = threading.Lock()
        self._queued: dict[str, Task] = {}
        self._elsewhere: set[str] = set()
        self._active: dict[str, _Active] = {}
        self._ended: Counter[RunState] = Counter()
        self._live: Live | None = None
        self._partial: dict[str, bytes] = {}
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def planned(self, tasks: Sequence[Task]) -> None:
        """Each job says by itself what becomes of it."""

    def queued(self, task: Task, why: str) -> None:
        with self._lock:
            self._queued[task.run_id] = task
        self._show()
        if why != "new":
            self._print(f"{task.name}: to run because {why}")

    def reused(self, task: Task, run: Run) -> None:
        self._leave(task, run.record.state)
        self._print(f"{task.name}: already {_word(run.record.state)} ({run.record.run_id})")

    def held(self, task: Task, holder: str) -> None:
        with self._lock:
            self._queued[task.run_id] = task
            self._elsewhere.add(task.run_id)
        self._print(f"{task.name}: {holder} works on it: waiting for that ({task.run_id})")

    def started(self, task: Task, start: Start) -> None:
        with self._lock:
            self._queued.pop(task.run_id, None)
            self._elsewhere.discard(task.run_id)
            self._active[task.run_id] = _Active(task, start)
        self._show()
        more = [f"attempt {start.attempt}"] if start.attempt > 1 else []
        more += [f"GPU {start.gpu}"] if start.gpu is not None else []
        facts = ", ".join([task.run_id, *more])
        if start.adopted:
            self._print(f"{task.name}: taken over from a runner that was killed ({facts})")
        else:
            self._print(f"{task.name}: started ({facts})")

    def progress(self, task: Task, usage: Usage, epoch: Epoch | None) -> None:
        now = time.monotonic()
        with self._lock:
            active = self._active.get(task.run_id)
            if active is None:
                return
            active.usage, active.epoch = usage, epoch
            due = self._live is None and now - active.said >= self._line_seconds
            if due:
                active.said = now
        if due:
            self._print(active.row().line())
            self._say_all()

    def output(self, task: Task, chunk: bytes) -> None:
        *lines, rest = (self._partial.pop(task.run_id, b"") + chunk).split(b"\n")
        self._partial[task.run_id] = rest[-4096:]
        for line in lines:
            self._print(f"  {task.model} | {line.decode(errors='replace')}")

    def retried(self, task: Task, run: Run, how: str) -> None:
        with self._lock:
            self._active.pop(task.run_id, None)
            self._queued[task.run_id] = task
        self._print(
            f"{task.name}: attempt {run.record.attempt} failed — {reason(run.record)}; "
            f"tried again {how}"
        )

    def finished(self, task: Task, run: Run) -> None:
        self._leave(task, run.record.state)
        self._console.print(_ending(task, run))
        self._say_all()

    def noted(self, message: str) -> None:
        self._print(f"note: {message}", "yellow")

    def _leave(self, task: Task, state: RunState) -> None:
        with self._lock:
            self._queued.pop(task.run_id, None)
            self._elsewhere.discard(task.run_id)
            self._active.pop(task.run_id, None)
            self._partial.pop(task.run_id, None)
            self._ended[state] += 1

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

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(Text(printable(line), style=style))

    def _say_all(self) -> None:
        """Without a terminal: how far all jobs are, now and then."""
        now = time.monotonic()
        with self._lock:
            if self._live is not None or now - self._said < self._line_seconds:
                return
            self._said = now
            left = self._queued or self._active
        if left:
            self._print(self._counts([active.row() for active in self._running()]))

    def _running(self) -> list[_Active]:
        with self._lock:
            return list(self._active.values())

    def _view(self) -> Group:
        """What the terminal shows while jobs run."""
        rows = [active.row() for active in self._running()]
        head = Text(self._counts(rows), style="dim")
        if not rows:
            return Group(head)
        size = self._console.size
        return Group(running_table(rows, size.width, size.height - 4), head)

    def _counts(self, rows: Sequence[RunningRow]) -> str:
        with self._lock:
            elsewhere, queued = len(self._elsewhere), len(self._queued)
            counts = {
                "running": len(self._active),
                "queued": queued - elsewhere,
                "at another runner": elsewhere,
                "done": self._ended[RunState.COMPLETE],
                **{_word(state): self._ended[state] for state in STYLES if state in _NOT_DONE},
            }
        return counts_line(counts, self._remaining(rows))

    def _remaining(self, rows: Sequence[RunningRow]) -> Remaining | None:
        with self._lock:
            expected = [task.expected_seconds for task in self._queued.values()]
        return total_remaining(expected, [row.remaining for row in rows])


_NOT_DONE = (RunState.FAILED, RunState.NOT_APPLICABLE, RunState.CANCELLED)


def _ending(task: Task, run: Run) -> Text:
    """How a job ended. A failure: its cause, what to do, the end of its log, and where it lies."""
    record = run.record
    text = Text(f"{printable(task.name)}: ")
    text.append(_word(record.state), style=f"bold {STYLES[record.state]}")
    text.append(f" in {format_seconds(record.usage.wall_seconds)}")
    if record.message or record.cause:
        text.append(f" — {printable(reason(record))}")
    for warning in record.warnings:
        text.append(f"\n  warning: {printable(warning)}", style="yellow")
    if record.state is RunState.FAILED:
        for line in last_lines(run.container_log, LOG_LINES):
            text.append(f"\n    | {line}", style="dim")
        text.append(f"\n  attempt: {printable(str(run.folder))}")
    return text


def reason(record: RunRecord) -> str:
    """Cause and message of a failure; the message alone of what is none."""
    cause = "" if record.cause is None else record.cause.replace("_", " ")
    if record.state is not RunState.FAILED:
        return record.message or cause
    return f"{cause}: {record.message}" if cause and record.message else record.message or cause


def _word(state: RunState) -> str:
    return state.value.replace("_", " ")
