"""One process at a time: a lock's file that ends with the process that holds it.

May import errors only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from multiverse.errors import Cancelled

#: Between looks at whether another process has given a lock back.
POLL_SECONDS = 0.05


@contextmanager
def exclusive(
    lock: Path,
    *,
    seconds: float | None = None,
    waiting: Callable[[], object] | None = None,
    cancelled: threading.Event | None = None,
) -> Iterator[None]:
    """Keep every other process, and thread, out of a block.

    Parameters
    ----------
    lock
        A file that is made if need be, and stays: removing it would let two processes lock
        different ones.
    seconds
        How long another process is waited for; 0: not at all, None: as long as it takes.
    waiting
        Called once if another process has to be waited for.
    cancelled
        Ends the waiting.

    Raises
    ------
    TimeoutError
        Where another process has the lock all the time.
    Cancelled
        Where ``cancelled`` was set meanwhile.
    OSError
        Where the lock's file can't be made.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock)
    stop = cancelled or threading.Event()
    end = None if seconds is None else time.monotonic() + seconds
    said = False
    while True:
        try:
            held.acquire(timeout=0)
            break
        except Timeout as error:
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"another process has kept {lock} all the time") from error
        if waiting is not None and not said:
            waiting()
        said = True
        if stop.wait(POLL_SECONDS):
            raise Cancelled(
                "stopped on request, while another process was waited for",
                remedy="Run the same command again.",
            )
    try:
        yield
    finally:
        held.release()
