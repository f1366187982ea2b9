"""Processes that end with the one that started them, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

#: ``PR_SET_PDEATHSIG`` of ``prctl(2)``: a signal that comes when the parent ends.
_PARENT_DEATH_SIGNAL = 1


def _load() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[..., int] = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    return found


#: Loaded before a process is copied. None where there is none: elsewhere limits of time remain.
_prctl = _load()


def end_with(parent: int) -> None:
    """Have this process, just made by ``parent``, killed when the thread that made it ends."""
    if _prctl is not None:
        _prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended in between
        os._exit(1)
