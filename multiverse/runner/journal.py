"""Leaves in the results folder what another terminal needs: ``plan.json`` and ``live.json``."""

from __future__ import annotations

import os
import platform
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from multiverse.contract.files import write_aside
from multiverse.events import AttemptStarted, Event, Finished, Planned, Progressed, Retried
from multiverse.runs.clock import process_start
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.live import LiveFile, PlanFile

#: ``live.json`` of a running attempt is written at most this often (seconds).
LIVE_SECONDS = 2.0


@dataclass
class _Attempt:
    folder: AttemptFolder
    start: AttemptStarted
    started_at: str
    written: float = float("-inf")


class Journal:
    """Hears the events of a command for ``multiverse status``.

    Nothing is decided by what it writes: errors of the disk are ignored, and nothing is synced.
    """

    def __init__(self, results: ResultsFolder) -> None:
        self._results = results
        self._lock = threading.Lock()
        self._attempts: dict[str, _Attempt] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case Planned():
                self._plan(event)
            case AttemptStarted():
                self._start(event)
            case Progressed():
                self._progress(event)
            case Retried() | Finished():
                with self._lock:
                    self._attempts.pop(event.run_id, None)

    def _plan(self, event: Planned) -> None:
        """Write ``plan.json``, in the place of the one of an earlier command."""
        pid = os.getpid()
        plan = PlanFile(
            pid=pid,
            process=process_start(pid) or "",
            host=platform.node(),
            started_at=_now(),
            jobs=event.jobs,
        )
        # Another runner may write its own at the same time.
        _put(self._results.plan, plan.to_json())

    def _start(self, event: AttemptStarted) -> None:
        folder = AttemptFolder(self._results.attempts / event.run_id / str(event.attempt))
        with self._lock:
            self._attempts[event.run_id] = _Attempt(folder, event, _now())

    def _progress(self, event: Progressed) -> None:
        """Write ``live.json`` if the last one is old enough."""
        now = time.monotonic()
        with self._lock:
            attempt = self._attempts.get(event.run_id)
            if attempt is None or now - attempt.written < LIVE_SECONDS:
                return
            attempt.written = now
        live = LiveFile(
            started_at=attempt.started_at,
            updated_at=_now(),
            cpus=attempt.start.cpus,
            memory=attempt.start.memory,
            gpu=attempt.start.gpu,
            usage=event.usage,
            epoch=event.epoch,
        )
        _put(attempt.folder.live, live.to_json())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _put(path: Path, text: str) -> None:
    """Replace a file in one step. What a power cut makes of it does not matter."""
    with suppress(OSError):
        write_aside(path, text, durable=False)
