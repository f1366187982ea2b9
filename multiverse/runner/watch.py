"""Watches one running job, and stops it when it must not go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from multiverse.contract.epochs import EpochFollower
from multiverse.engines.protocol import Running
from multiverse.events import Progressed, Tell
from multiverse.facts import EpochFacts
from multiverse.plan.job import Limits
from multiverse.runner.guard import OutputGuard
from multiverse.runner.verdict import (
    Verdict,
    cancelled_verdict,
    disk_limit_verdict,
    time_limit_verdict,
)
from multiverse.runs.folder import AttemptFolder

POLL_SECONDS = 0.25
GRACE_SECONDS = 10.0
#: How often the output of a running job is measured.
GUARD_SECONDS = 1.0


class Watch:
    """One job under watch. ``elapsed``: the seconds that it had run when the watch began."""

    def __init__(
        self,
        running: Running,
        run_id: str,
        attempt: AttemptFolder,
        limits: Limits,
        elapsed: float = 0.0,
    ) -> None:
        self._running = running
        self._run_id = run_id
        self._attempt = attempt
        self._limits = limits
        self._epochs = EpochFollower(attempt.output.epochs)
        self._guard = OutputGuard(attempt.output.folder, limits.disk)
        self._guarded = 0.0
        self._deadline = time.monotonic() + (limits.time_limit or float("inf")) - elapsed

    def until_end(self, tell: Tell, cancelled: threading.Event) -> Callable[[], Verdict] | None:
        """Wait for the end; what stopped the job, if the runner did."""
        while not self._running.wait(POLL_SECONDS):
            tell(self._progress())
            stopped = self._must_stop(cancelled)
            if stopped is not None and not self._running.wait(0):
                self._running.stop(GRACE_SECONDS)
                return stopped
        tell(self._progress())
        return None

    def _progress(self) -> Progressed:
        epoch = self._epochs.look()
        facts = None
        if epoch is not None:
            facts = EpochFacts(epoch.number, epoch.total, dict(epoch.values))
        return Progressed(self._run_id, self._running.usage(), facts)

    def _must_stop(self, cancelled: threading.Event) -> Callable[[], Verdict] | None:
        if cancelled.is_set():
            return cancelled_verdict
        if time.monotonic() > self._deadline:
            return partial(time_limit_verdict, self._limits, self._attempt)
        reason = self._too_much()
        return None if reason is None else partial(disk_limit_verdict, reason)

    def _too_much(self) -> str | None:
        now = time.monotonic()
        if now - self._guarded < GUARD_SECONDS:
            return None
        self._guarded = now
        return self._guard.look()
