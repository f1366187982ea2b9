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
from multiverse.engines import last_lines, printable
from multiverse.events import (
    AttemptStarted,
    Event,
    Finished,
    Held,
    Noted,
    Planned,
    Printed,
    Progressed,
    Queued,
    Retried,
    Reused,
    Warned,
)
from multiverse.facts import AttemptFacts, EpochFacts, JobFacts, RunState, Usage
from multiverse.runner import NEW
from multiverse.runs import Remaining, RunFolder, RunRecord, job_remaining, total_remaining
from multiverse.specs import format_seconds

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
    job: JobFacts
    start: AttemptStarted
    usage: Usage = field(default_factory=Usage)
    epoch: EpochFacts | None = None
    said: float = field(default_factory=time.monotonic)

    def row(self) -> RunningRow:
        epoch = self.epoch
        elapsed = self.usage.wall_seconds
        return RunningRow(
            name=self.job.name,
            elapsed=elapsed,
            memory=self.usage.peak_memory_bytes,
            memory_limit=self.start.memory,
            gpu=self.start.gpu,
            epoch=epoch.number if epoch else None,
            epochs=epoch.total if epoch else None,
            limit=bool(epoch and epoch.limit),
            values=epoch.values if epoch else {},
            remaining=job_remaining(elapsed, epoch, self.job.expected_seconds),
        )


class Progress:
    """Shows people the events of a benchmark."""

    def __init__(self, out: Console | None = None, *, line_seconds: float = LINE_SECONDS) -> None:
        self._console = out or console()
        self._line_seconds = line_seconds
        self._lock = threading.Lock()
        self._jobs: dict[str, JobFacts] = {}
        self._queued: dict[str, JobFacts] = {}
        self._elsewhere: set[str] = set()
        self._active: dict[str, _Active] = {}
        self._ended: Counter[RunState] = Counter()
        self._live: Live | None = None
        self._partial: dict[str, str] = {}
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

    def __call__(self, event: Event) -> None:
        match event:
            case Planned():
                self._jobs = {job.run_id: job for job in event.jobs}
            case Queued():
                self._queue(event)
            case Reused():
                self._leave(event.run_id, event.run.state)
                words = f"already {_word(event.run.state)} ({event.run_id})"
                self._print(f"{self._job(event.run_id).name}: {words}")
            case Held():
                self._hold(event)
            case AttemptStarted():
                self._start(event)
            case Progressed():
                self._advance(event)
            case Printed():
                self._output(event)
            case Retried():
                self._retry(event)
            case Finished():
                self._leave(event.run_id, event.run.state)
                self._console.print(_ending(self._job(event.run_id).name, event.run))
                self._say_all()
            case Warned():
                self._print(f"note: {event.message}", "yellow")
            case Noted():
                self._print(event.message)

    def _job(self, run_id: str) -> JobFacts:
        """Return the job of a run, which may be one that the plan does not have any more."""
        return self._jobs.get(run_id) or JobFacts(run_id, run_id, "", run_id, 0)

    def _queue(self, event: Queued) -> None:
        job = self._job(event.run_id)
        with self._lock:
            self._queued[event.run_id] = job
        self._show()
        if event.why != NEW:
            self._print(f"{job.name}: to run because {event.why}")

    def _hold(self, event: Held) -> None:
        job = self._job(event.run_id)
        with self._lock:
            self._queued[event.run_id] = job
            self._elsewhere.add(event.run_id)
        self._print(f"{job.name}: {event.holder} works on it: waiting for that ({event.run_id})")

    def _start(self, event: AttemptStarted) -> None:
        job = self._job(event.run_id)
        with self._lock:
            self._queued.pop(event.run_id, None)
            self._elsewhere.discard(event.run_id)
            self._active[event.run_id] = _Active(job, event)
        self._show()
        more = [f"attempt {event.attempt}"] if event.attempt > 1 else []
        more += [f"GPU {event.gpu}"] if event.gpu is not None else []
        facts = ", ".join([event.run_id, *more])
        if event.adopted:
            self._print(f"{job.name}: taken over from a runner that was killed ({facts})")
        else:
            self._print(f"{job.name}: started ({facts})")

    def _advance(self, event: Progressed) -> None:
        now = time.monotonic()
        with self._lock:
            active = self._active.get(event.run_id)
            if active is None:
                return
            active.usage, active.epoch = event.usage, event.epoch
            due = self._live is None and now - active.said >= self._line_seconds
            if due:
                active.said = now
        if due:
            self._print(active.row().line())
            self._say_all()

    def _output(self, event: Printed) -> None:
        *lines, rest = (self._partial.pop(event.run_id, "") + event.text).split("\n")
        self._partial[event.run_id] = rest[-4096:]
        for line in lines:
            self._print(f"  {self._job(event.run_id).model} | {line}")

    def _retry(self, event: Retried) -> None:
        job, run = self._job(event.run_id), event.run
        with self._lock:
            self._active.pop(event.run_id, None)
            self._queued[event.run_id] = job
        words = f"attempt {run.attempt} failed — {reason(run)}; tried again {event.how}"
        self._print(f"{job.name}: {words}")

    def _leave(self, run_id: str, state: RunState) -> None:
        with self._lock:
            self._queued.pop(run_id, None)
            self._elsewhere.discard(run_id)
            self._active.pop(run_id, None)
            self._partial.pop(run_id, None)
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
        """Print, without a terminal and now and then, the progress of all jobs."""
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
        """Return the live view that the terminal shows while jobs run."""
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
            expected = [job.expected_seconds for job in self._queued.values()]
        return total_remaining(expected, [row.remaining for row in rows])


_NOT_DONE = (RunState.FAILED, RunState.NOT_APPLICABLE, RunState.CANCELLED)


def _ending(name: str, run: AttemptFacts) -> Text:
    """Return how a job ended; of a failure its cause, the end of its log, and where it lies."""
    text = Text(f"{printable(name)}: ")
    text.append(_word(run.state), style=f"bold {STYLES[run.state]}")
    text.append(f" in {format_seconds(run.usage.wall_seconds)}")
    if run.message or run.cause:
        text.append(f" — {printable(reason(run))}")
    for warning in run.warnings:
        text.append(f"\n  warning: {printable(warning)}", style="yellow")
    if run.state is RunState.FAILED:
        for line in last_lines(RunFolder(run.folder).container_log, LOG_LINES):
            text.append(f"\n    | {line}", style="dim")
        text.append(f"\n  attempt: {printable(str(run.folder))}")
    return text


def reason(run: RunRecord | AttemptFacts) -> str:
    """Return cause and message of a failure; the message alone of what is none."""
    cause = "" if run.cause is None else run.cause.replace("_", " ")
    if run.state is not RunState.FAILED:
        return run.message or cause
    return f"{cause}: {run.message}" if cause and run.message else run.message or cause


def _word(state: RunState) -> str:
    return state.value.replace("_", " ")
