"""Checks that the clocks agree: this process, the daemon, the file system of the results."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from multiverse.doctor.finding import MachineFinding, ok, warning
from multiverse.doctor.scene import Scene, nearest
from multiverse.errors import EngineError

AREA = "clock"
#: Seconds between two clocks from which on it is worth a word.
MAX_SKEW = 2.0
clock_remedy = "Let both machines follow the network's time (NTP: timedatectl set-ntp true)."


def check_clock(scene: Scene) -> Iterator[MachineFinding]:
    """Compare the clocks of daemon and disk with this process's, which records hold."""
    agree = []
    for name, skew in (("the daemon", _daemon(scene)), ("the disk", _disk(scene.results))):
        if skew is None:
            continue
        if skew > MAX_SKEW:
            seen = f"the clock of {name} is {skew:.1f} s away from this machine's"
            yield warning(AREA, seen, clock_remedy)
        else:
            agree.append(name)
    if agree:
        yield ok(AREA, f"{' and '.join(agree)} agree with this machine's clock")


def outside(moment: float, before: float, after: float) -> float:
    """Return the seconds from a moment to the nearest end of an interval; 0 inside it."""
    return max(0.0, before - moment, moment - after)


def _daemon(scene: Scene) -> float | None:
    try:
        with scene.daemon() as client:
            before = time.time()
            said = str(client.info().get("SystemTime", ""))
            after = time.time()
        return outside(datetime.fromisoformat(said).timestamp(), before, after)
    except (EngineError, ValueError):  # the engine's own check says the first
        return None


def _disk(results: Path) -> float | None:
    """Return the distance of the disk's clock: another machine's file system has its own."""
    try:
        with tempfile.TemporaryFile(dir=nearest(results)) as stream:
            before = time.time()
            stream.write(b"doctor")
            stream.flush()
            moment = os.fstat(stream.fileno()).st_mtime
            after = time.time()
    except OSError:  # the check of permissions says so
        return None
    return outside(moment, before, after)
