"""Writing files that somebody may be reading: aside, synced, then put in place by one rename."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from multiverse.errors import DiskFull, ResultsError


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace a file in one step; a reader sees the old content or the new, never a part."""
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(path.parent):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def sync(*paths: Path) -> None:
    """Make files, or the entries of folders, survive a power cut.

    All at the same time, because they then share commits of the file system's journal: one after
    the other, a run's files take four times as long.
    """
    with ThreadPoolExecutor(max_workers=len(paths)) as pool:
        list(pool.map(_sync, paths))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """``sha256:<hex>`` of a file's content."""
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the operating system says about a folder into an error a user can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"the disk of {folder} is full",
                remedy="Free some room, then run the same command again: it goes on from here.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise ResultsError(
                f"{folder} can't be written: {error.strerror}",
                remedy="Choose a folder of your own with --output.",
            ) from error
        raise
