"""Leaves in the results folder what another terminal needs: ``plan.json`` and ``live.json``."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from multiverse.contract.files import write_aside
from multiverse.runner.events import Epoch, SilentListener, Start, Task
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.live import LiveEpoch, LiveFile, PlanFile, PlannedJob
from multiverse.runs.record import Usage
from multiverse.runs.run import Run

#: ``live.json`` of a running attempt is written at most this often (seconds).
LIVE_SECONDS = 2.0


@dataclass
class _Attempt:
    folder: AttemptFolder
    start: Start
    started_at: str
    written: float = float("-inf")


class Journal(SilentListener):
    """A :class:`multiverse.runner.events.Listener` for ``multiverse status``.

    Nothing is decided by what it writes: errors of the disk are ignored, and nothing is synced.
    """

    def __init__(self, results: ResultsFolder) -> None:
        self._results = results
        self._lock = threading.Lock()
        self._attempts: dict[str, _Attempt] = {}

    def planned(self, tasks: Sequence[Task]) -> None:
        """Write ``plan.json``, in the place of the one of an earlier command."""
        plan = PlanFile(
            pid=os.getpid(),
            host=platform.node(),
            started_at=_now(),
            jobs=tuple(PlannedJob.model_construct(**vars(task)) for task in tasks),
        )
        # Another runner may write its own at the same time.
        _put(self._results.plan, plan.to_json())

    def started(self, task: Task, start: Start) -> None:
        folder = AttemptFolder(self._results.attempts / task.run_id / str(start.attempt))
        with self._lock:
            self._attempts[task.run_id] = _Attempt(folder, start, _now())

    def progress(self, task: Task, usage: Usage, epoch: Epoch | None) -> None:
        """Write ``live.json`` if the last one is old enough."""
        now = time.monotonic()
        with self._lock:
            attempt = self._attempts.get(task.run_id)
            if attempt is None or now - attempt.written < LIVE_SECONDS:
                return
            attempt.written = now
        live = LiveFile(
            started_at=attempt.started_at,
            updated_at=_now(),
            cpus=attempt.start.cpus,
            memory=attempt.start.memory,
            gpu=attempt.start.gpu,
            usage=usage,
            epoch=None
            if epoch is None
            else LiveEpoch(number=epoch.number, total=epoch.total, values=dict(epoch.values)),
        )
        _put(attempt.folder.live, live.to_json())

    def retried(self, task: Task, run: Run, how: str) -> None:  # noqa: ARG002 - a listener
        self._forget(task)

    def finished(self, task: Task, run: Run) -> None:  # noqa: ARG002 - a listener
        self._forget(task)

    def _forget(self, task: Task) -> None:
        with self._lock:
            self._attempts.pop(task.run_id, None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _put(path: Path, text: str) -> None:
    """Replace a file in one step. What a power cut makes of it does not matter."""
    with suppress(OSError):
        write_aside(path, text, durable=False)
