"""Writing into a results folder, with errors that a user can act on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multiverse.contract.files import regular_sha256, write_aside
from multiverse.errors import DiskFull, ResultsError

#: What a recorded checksum begins with.
SHA256 = "sha256:"


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace a file in one step; a reader sees the old content or the new, never a part.

    Raises :class:`DiskFull` or :class:`ResultsError`.
    """
    with disk_errors(path.parent):
        write_aside(path, content)


def checksum(path: Path) -> str:
    """Return the checksum of a regular file as records have it: ``sha256:<hex>``.

    Raises OSError; no link is followed.
    """
    return SHA256 + regular_sha256(path)


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
