"""Brings a started job to its end: a model's or the evaluator's, on any engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from multiverse.engines.protocol import Ending, Orphan, Running
from multiverse.facts import Cause
from multiverse.plan.job import Limits
from multiverse.runner.guard import OutputGuard
from multiverse.runs.clock import Moment
from multiverse.specs.quantity import format_seconds

POLL_SECONDS = 0.25
GRACE_SECONDS = 10.0
#: How often the output of a running job is measured.
GUARD_SECONDS = 1.0


def supervise(
    running: Running,
    output: Path,
    limits: Limits,
    *,
    cancelled: threading.Event,
    look: Callable[[], None],
    elapsed: float = 0.0,
) -> Ending:
    """Follow a job to its end, and stop it when it must not go on.

    Parameters
    ----------
    output
        The folder that it writes to; it may take ``limits.disk`` bytes of disk.
    cancelled
        Set when the user wants everything stopped.
    look
        Called again and again while it runs, and once when it has ended: reads what it wrote.
    elapsed
        Seconds that it had run before it was followed.

    Returns
    -------
    Ending
        As the engine tells it; for a job that was stopped here, with a cause of
        :data:`~multiverse.facts.STOPPED`.
    """
    watch = _Watch(output, limits, cancelled, elapsed)
    stopped: tuple[Cause, str] | None = None
    while not running.wait(POLL_SECONDS):
        look()
        reason = watch.must_stop()
        if reason is not None and not running.wait(0):
            running.stop(GRACE_SECONDS)
            stopped = reason
            break
    look()
    ending = running.ending()
    if stopped is None:
        return ending
    cause, detail = stopped
    if ending.left:
        detail = f"{detail}; {ending.left}"
    return replace(ending, cause=cause, detail=detail)


def seconds_before(orphan: Orphan, moment: Moment | None, started_at: str) -> float:
    """Return the seconds that a job had run when it was taken over, by its beginning.

    By the ``moment`` where it is of this boot of the machine, or else by the wall clock. One that
    has ended is not over its time, however late that is seen.
    """
    if not orphan.running:
        return float("-inf")
    ago = None if moment is None else moment.ago()
    if ago is not None:
        return ago
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(started_at)).total_seconds())


class _Watch:
    """The bounds of one running job."""

    def __init__(
        self, output: Path, limits: Limits, cancelled: threading.Event, elapsed: float
    ) -> None:
        self._limits = limits
        self._cancelled = cancelled
        self._guard = OutputGuard(output, limits.disk)
        self._guarded = float("-inf")
        self._deadline = time.monotonic() + (limits.time_limit or float("inf")) - elapsed

    def must_stop(self) -> tuple[Cause, str] | None:
        """Return why the job has to end: the cause, and in words."""
        if self._cancelled.is_set():
            return Cause.CANCELLED, "stopped on request"
        now = time.monotonic()
        if now > self._deadline:
            limit = format_seconds(self._limits.time_limit or 0)
            return Cause.TIME_LIMIT, f"stopped at its time limit of {limit}"
        if now - self._guarded < GUARD_SECONDS:
            return None
        self._guarded = now
        reason = self._guard.look()
        if reason is None:
            return None
        return Cause.DISK_LIMIT, f"stopped because its output {reason}"
