"""Checks that this user can write where multiverse writes, and take locks there."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from multiverse.doctor.finding import MachineFinding, error, ok
from multiverse.doctor.scene import Scene, nearest

AREA = "permissions"
_VARIABLES = {
    "results": "Choose another folder with --output.",
    "home": "Name a folder of your own with MULTIVERSE_HOME.",
    "cache": "Name a folder of your own with MULTIVERSE_CACHE.",
}


def check_permissions(scene: Scene) -> Iterator[MachineFinding]:
    """Make, lock and remove a file in each folder, or where the folder would be made."""
    written = []
    for name, path in scene.folders.items():
        try:
            _try(nearest(path))
        except OSError as problem:
            seen = f"{name}: {path} can't be written: {problem.strerror or problem}"
            yield error(AREA, seen, _VARIABLES[name])
        else:
            written.append(name)
    if written:
        user = f"user {os.getuid()}:{os.getgid()}"
        yield ok(AREA, f"{', '.join(written)}: can be written and locked by {user}")


def _try(folder: Path) -> None:
    """Raise OSError where the folder can't be written, or its file system knows no locks."""
    with tempfile.TemporaryFile(prefix=".multiverse-doctor-", dir=folder) as stream:
        stream.write(b"doctor")
        stream.flush()
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise OSError(problem.errno, "its file system knows no locks (flock)") from problem
