"""Memory of the machine, and what the models ask for."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from multiverse.doctor.finding import MachineFinding, note, ok, warning
from multiverse.doctor.scene import Scene
from multiverse.engines.cgroup import own_memory_limit
from multiverse.errors import EngineError
from multiverse.specs.quantity import format_bytes

AREA = "memory"
#: Below this, even a small model on small data may be ended.
FEW_BYTES = 2 * 1024**3


def check_memory(scene: Scene) -> Iterator[MachineFinding]:
    """Check total, available, swap; limits around this process; the daemon's own view."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    seen = (
        f"{format_bytes(memory.available)} of {format_bytes(memory.total)} available; "
        f"swap {format_bytes(swap.used)} of {format_bytes(swap.total)} used"
    )
    if memory.available < FEW_BYTES:
        yield warning(AREA, seen, "End what you don't need; jobs may be killed otherwise.")
    elif swap.total and swap.used > swap.total / 2:
        yield warning(AREA, seen, "The machine is short of memory: run fewer jobs at a time.")
    else:
        yield ok(AREA, seen)
    limit = own_memory_limit()
    if limit is not None and limit < memory.total:
        yield note(AREA, f"this process may use {format_bytes(limit)}: so may --engine local")
    daemon = _daemon_memory(scene)
    for place, total in (("this machine", memory.total), ("the daemon", daemon)):
        names = [m.name for m in scene.models if total and m.yaml.resources.memory > total]
        if names:
            seen = f"{', '.join(names)} ask for more memory than {place} has"
            yield note(AREA, seen, "They get what there is; large data may not fit.")
            return


def _daemon_memory(scene: Scene) -> int | None:
    try:
        with scene.daemon() as client:
            return int(client.info()["MemTotal"])
    except EngineError:  # the engine's own check says so
        return None
