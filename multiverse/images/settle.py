"""Gives copied source files times that follow from their content, and compiles them.

Stand-alone (standard library only): it also runs inside an image while the image is built, where
nothing of multiverse can be imported yet::

    python settle.py /opt/multiverse/sdk

Caches of compiled code (numba's) are valid for a path, a time and a size. A time that follows from
the content keeps such a cache valid in every copy of the same file, and invalid for every other.
"""

from __future__ import annotations

import compileall
import os
import sys
import zlib
from pathlib import Path
from py_compile import PycInvalidationMode

#: 1980-01-01, the earliest time that archives can hold; content moves it by up to 31 years.
EARLIEST = 315_532_800
SPAN = 1_000_000_000


def time_of_file(path: Path) -> int:
    """Seconds since 1970 that stand for the content of this file."""
    checksum = 0
    with path.open("rb") as stream:
        while block := stream.read(1024 * 1024):
            checksum = zlib.crc32(block, checksum)
    return EARLIEST + checksum % SPAN


def settle(folder: Path) -> None:
    """Set times and modes of every file below ``folder``, and compile its Python files.

    Everything becomes readable for all users. Compiled files are checked against their source's
    hash, so that a file laid over an image later is never shadowed by stale code.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
        elif path.suffix != ".pyc":
            path.chmod(0o644)
            stamp = time_of_file(path)
            os.utime(path, (stamp, stamp))
    done = compileall.compile_dir(
        folder, quiet=1, force=True, invalidation_mode=PycInvalidationMode.CHECKED_HASH
    )
    if not done:
        raise SystemExit(f"{folder}: some Python files can't be compiled")


if __name__ == "__main__":
    settle(Path(sys.argv[1]))
