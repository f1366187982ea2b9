"""Moments and processes, told without the wall clock: that may jump by days while a job runs."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
from pydantic import BaseModel, ConfigDict

_BOOT = Path("/proc/sys/kernel/random/boot_id")
#: Of the words after a process's name in its ``stat``: when it began, in ticks since the boot.
_BEGAN = 19


class Moment(BaseModel):
    """A moment by the kernel's clock that only runs forward, the same for all its processes.

    ``boot`` names the start of the machine that it counts ``seconds`` from.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    boot: str
    seconds: float

    @classmethod
    def now(cls) -> Self | None:
        """Return this moment; None where the machine does not name its boot."""
        boot = boot_id()
        return None if boot is None else cls(boot=boot, seconds=time.monotonic())

    def ago(self) -> float | None:
        """Return the seconds since then; None if the machine, or its boot, is another one."""
        seconds = time.monotonic() - self.seconds
        return seconds if self.boot == boot_id() and seconds >= 0 else None


def boot_id() -> str | None:
    """Return the name that the kernel has given to the boot of this machine."""
    with suppress(OSError):
        return _BOOT.read_text().strip() or None
    return None


def process_start(pid: int) -> str | None:
    """Return what tells a process from an earlier or later one of its number; None if it is none.

    Equal for the whole life of a process, whatever the wall clock does.
    """
    with suppress(OSError, IndexError):
        boot, text = boot_id(), Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return f"{boot} {text.rpartition(')')[2].split()[_BEGAN]}"
    with suppress(psutil.Error):
        return str(psutil.Process(pid).create_time())
    return None
