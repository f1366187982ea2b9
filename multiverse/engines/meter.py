"""Adds up readings of a running job into its usage."""

from __future__ import annotations

import time

from multiverse.engines.cgroup import CgroupReading
from multiverse.facts import Usage

#: The end of a job may be seen so much later: its engine can't be asked for a while.
UNSEEN_SECONDS = 150.0


class Meter:
    """Keeps the highest and the latest of what was read, and the wall time."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._ended: float | None = None
        self._cpu: float | None = None
        self._memory: int | None = None
        self._peak: int | None = None
        self.oom_kills = 0

    def add(self, reading: CgroupReading | None) -> None:
        if reading is None:
            return
        self._cpu = max(self._cpu or 0.0, reading.cpu_seconds)
        self._memory = max(self._memory or 0, reading.memory_bytes)
        if reading.peak_bytes is not None:
            self._peak = max(self._peak or 0, reading.peak_bytes)
        self.oom_kills = max(self.oom_kills, reading.oom_kills)

    def end(self, wall_seconds: float | None = None, *, whole: bool = True) -> None:
        """Stop the clock; ``wall_seconds`` if somebody knows the time better.

        Unless the wall clock jumped: what was measured here from beginning to end (``whole``) is
        not much less. Of a job that was taken over, it is at least what was measured.
        """
        if self._ended is not None:
            return
        elapsed = time.monotonic() - self._started
        if wall_seconds is None or wall_seconds < elapsed - UNSEEN_SECONDS:
            self._ended = elapsed
        else:
            self._ended = min(wall_seconds, elapsed + 1) if whole else wall_seconds

    def usage(self) -> Usage:
        elapsed = time.monotonic() - self._started if self._ended is None else self._ended
        return Usage(
            wall_seconds=round(elapsed, 3),
            cpu_seconds=None if self._cpu is None else round(self._cpu, 3),
            peak_memory_bytes=self._memory,
            high_water_bytes=self._peak,
        )
