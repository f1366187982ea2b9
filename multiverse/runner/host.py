"""The machine and the software that a run is recorded with."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

import multiverse


@cache
def host_facts() -> dict[str, Any]:
    """Return the facts of this machine that can matter to a result or to a time."""
    return {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


@cache
def versions() -> dict[str, str]:
    """Return the versions of the runner's own software; the model's are in its image or lock."""
    return {"multiverse": multiverse.__version__, "python": platform.python_version()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
