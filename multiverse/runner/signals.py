"""Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def cancellation(event: threading.Event) -> Iterator[None]:
    """Set ``event`` on SIGINT, SIGTERM or SIGHUP; a second signal raises KeyboardInterrupt.

    Outside the main thread nothing can be installed, so nothing is: the caller's own handling
    stays.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {
        number: signal.signal(number, handle)
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN  # nohup means it
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
