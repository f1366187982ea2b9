"""Members scored in processes of their own, as many as there are cores.

A process that is killed (the system ends the largest one when memory is short) loses one metric of
one member: that is recorded, and a new process goes on with the rest. So does one that takes too
long; what is left of its member comes last then, so that others don't wait for it.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from multiverse.contract.evaluation import BeginLine, MemberLine, ScoreLine
from multiverse.contract.parent import end_with
from multiverse.contract.scores import Reason

#: The shortest time that is waited for a step to end.
TICK_SECONDS = 0.05
#: Processes are copies of one that has loaded the libraries and computed nothing yet.
_FORK = get_context("fork")


@dataclass(frozen=True)
class MetricTask:
    """One member with the names of the metrics that are still to be computed; none: its layout."""

    member: str
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Laid:
    """A layout in two dimensions, as bytes of (n_cells, 2) float32."""

    member: str
    points: bytes
    seconds: float


Emitted = BeginLine | ScoreLine | MemberLine | Laid
Work = Callable[[MetricTask], Iterator[Emitted]]


@dataclass
class _Lane:
    """One process and what it is at."""

    process: ForkProcess
    pipe: Connection
    task: MetricTask | None = None
    #: The metric that it computes, and whether it has come to any of this task.
    begun: str | None = None
    has_begun: bool = False
    #: When it last said something, or was told what to do; by :func:`time.monotonic`.
    since: float = 0.0
    too_long: bool = False


class Pool:
    """At most ``size`` processes that do tasks, each step of them within so many ``seconds``."""

    def __init__(
        self, size: int, work: Work, log: logging.Logger, seconds: float = float("inf")
    ) -> None:
        self._size = max(1, size)
        self._work = work
        self._log = log
        self._seconds = seconds
        self._lanes: list[_Lane] = []

    def run(self, tasks: Sequence[MetricTask]) -> Generator[Emitted, None, None]:
        """Yield all that the tasks yield, as it comes. Processes are ended on every way out."""
        waiting = deque(tasks)
        try:
            while waiting or self._busy():
                self._hand_out(waiting)
                pipes = [lane.pipe for lane in self._busy()]
                for pipe in wait(pipes, self._patience()):
                    lane = next(lane for lane in self._lanes if lane.pipe is pipe)
                    yield from self._receive(lane, waiting)
                self._end_what_takes_too_long()
        finally:
            for lane in self._lanes:
                lane.process.kill()
                lane.process.join()

    def _busy(self) -> list[_Lane]:
        return [lane for lane in self._lanes if lane.task is not None]

    def _hand_out(self, waiting: deque[MetricTask]) -> None:
        while waiting and len(self._busy()) < self._size:
            lane = next((lane for lane in self._lanes if lane.task is None), None) or self._new()
            lane.task, lane.begun, lane.has_begun = waiting.popleft(), None, False
            lane.since = time.monotonic()
            lane.pipe.send(lane.task)

    def _patience(self) -> float | None:
        """Return the seconds until the next step takes too long; None: none ever does."""
        if self._seconds == float("inf"):
            return None
        first = min(lane.since for lane in self._busy())
        return max(TICK_SECONDS, first + self._seconds - time.monotonic())

    def _end_what_takes_too_long(self) -> None:
        for lane in self._busy():
            if time.monotonic() - lane.since > self._seconds and not lane.pipe.poll():
                lane.too_long = True
                lane.process.kill()  # its pipe is closed then, and it is lost

    def _new(self) -> _Lane:
        here, there = _FORK.Pipe()
        process = _FORK.Process(
            target=_serve, args=(there, here, self._work, self._size, os.getpid())
        )
        process.start()
        there.close()
        lane = _Lane(process, here)
        self._lanes.append(lane)
        return lane

    def _receive(self, lane: _Lane, waiting: deque[MetricTask]) -> Iterator[Emitted]:
        task = lane.task
        if task is None:
            return
        try:
            message: Emitted | None = lane.pipe.recv()
        except (EOFError, OSError):
            yield from self._lost(lane, task, waiting)
            return
        if message is None:
            lane.task = None
            return
        lane.since = time.monotonic()
        if isinstance(message, BeginLine):
            lane.begun, lane.has_begun = message.metric, True
        elif isinstance(message, ScoreLine):
            rest = tuple(name for name in task.metrics if name != message.metric)
            lane.task, lane.begun = replace(task, metrics=rest), None
        yield message

    def _lost(self, lane: _Lane, task: MetricTask, waiting: deque[MetricTask]) -> Iterator[Emitted]:
        lane.process.join()
        self._lanes.remove(lane)
        why = self._why(lane)
        step = lane.begun or ("neighbours" if task.metrics else "layout")
        self._log.error("%s, %s: the process %s", task.member, step, why)
        lost = _lost_metrics(lane, task)
        for name in lost:
            yield ScoreLine(
                member=task.member,
                metric=name,
                value=None,
                reason=Reason.METRIC_FAILED if lane.too_long else Reason.EVALUATOR_FAILED,
                detail=f"the process that computed it {why}",
            )
        rest = tuple(name for name in task.metrics if name not in lost)
        if rest and lane.too_long:
            waiting.append(replace(task, metrics=rest))
        elif rest:
            waiting.appendleft(replace(task, metrics=rest))
        elif task.metrics:
            yield MemberLine(member=task.member, neighbours_seconds=0.0)

    def _why(self, lane: _Lane) -> str:
        if lane.too_long:
            return (
                f"was ended after {self._seconds:,.6g} s, the longest that one step may take "
                "(evaluate --again with a longer --time-limit allows more)"
            )
        return _how_it_ended(lane.process.exitcode)


def _lost_metrics(lane: _Lane, task: MetricTask) -> tuple[str, ...]:
    """Return the metrics that are lost with a process."""
    if lane.begun is not None:
        return (lane.begun,)
    # Before its first metric it was the neighbours, which every metric would need again.
    return () if lane.has_begun else task.metrics


def _how_it_ended(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "was killed, probably because memory ran out"
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _serve(pipe: Connection, parents: Connection, work: Work, n_lanes: int, parent: int) -> None:
    """Do tasks as they come, and send what they yield; None ends each, and the process."""
    end_with(parent)
    parents.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):  # memory is short: this process ends, not the one that keeps the lines
        Path("/proc/self/oom_score_adj").write_text("1000")
    threads = max(1, int(os.environ.get("OMP_NUM_THREADS", "1")) // n_lanes)
    if threads == 1:
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    with threadpool_limits(threads):
        while True:
            try:
                task = pipe.recv()
            except EOFError:
                return
            for message in work(task):
                pipe.send(message)
            pipe.send(None)
