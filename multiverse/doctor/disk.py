"""Room on the disks that matter: bytes, files, and whether they can be written at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from multiverse.doctor.finding import MachineFinding, error, ok, warning
from multiverse.doctor.scene import Scene, is_local, nearest
from multiverse.errors import EngineError
from multiverse.specs.quantity import format_bytes

AREA = "disk"
#: Below this, a stack of images or a large run may not fit.
FEW_BYTES = 10 * 1024**3
#: Files and folders that a disk can still take: an environment has tens of thousands.
FEW_FILES = 100_000


def check_disk(scene: Scene) -> Iterator[MachineFinding]:
    """Check each disk once, with the folders that are on it."""
    places = {name: nearest(path) for name, path in scene.folders.items()}
    root = _docker_root(scene)
    if root is not None:
        places["docker"] = root
    disks: dict[int, list[str]] = {}
    for name, path in places.items():
        disks.setdefault(path.stat().st_dev, []).append(name)
    for names in disks.values():
        yield from _of_disk(", ".join(names), places[names[0]])


def _of_disk(names: str, path: Path) -> Iterator[MachineFinding]:
    status = os.statvfs(path)
    free, total = status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize
    seen = f"{names}: {format_bytes(free)} of {format_bytes(total)} free"
    if status.f_flag & os.ST_RDONLY:
        yield error(AREA, f"{names}: {path} is on a read-only disk", "Choose another folder.")
    elif free < FEW_BYTES:
        remedy = "See what can go: multiverse clean; docker system df"
        yield warning(AREA, seen, remedy)
    else:
        yield ok(AREA, seen)
    if status.f_files and status.f_favail < FEW_FILES:
        seen = f"{names}: room for {status.f_favail:,} more files (inodes) only"
        yield warning(AREA, seen, "Remove folders with many files: multiverse clean, old caches.")


def _docker_root(scene: Scene) -> Path | None:
    """Return the folder where a daemon on this machine keeps images and containers."""
    try:
        with scene.daemon() as client:
            info = client.info()
    except EngineError:  # the engine's own check says so
        return None
    root = Path(str(info.get("DockerRootDir", "")))
    return root if is_local(info) and root.is_absolute() and root.is_dir() else None
