"""Reading files that somebody else wrote, without trusting their kind or their size."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class NotARegularFile(OSError):
    """A symlink, FIFO, device, socket or folder stands where a file was expected."""


class FileTooLarge(OSError):
    """A file is larger than its place in the contract allows."""


def describe_kind(mode: int) -> str:
    """The word for a file's kind (``st_mode``), for messages."""
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFDIR: "a folder",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
    }
    return kinds.get(stat.S_IFMT(mode), "not a regular file")


def check_regular(path: Path, *, max_bytes: int) -> os.stat_result:
    """The file's status, if it is a regular file with one name and of allowed size.

    Raises FileNotFoundError, :class:`NotARegularFile` or :class:`FileTooLarge`.
    A second hard link is refused: the other name may lie outside the folder.
    """
    return _judge(path, path.lstat(), max_bytes)


def read_regular(path: Path, *, max_bytes: int) -> bytes:
    """The content of a regular file; never follows a link, never waits on a FIFO.

    Raises as :func:`check_regular`.
    """
    _judge(path, path.lstat(), max_bytes)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        _judge(path, os.fstat(stream.fileno()), max_bytes)
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise FileTooLarge(f"{path.name} has more than {max_bytes:,} bytes")
    return content


def make_accessible(folder: Path) -> None:
    """Give the owner back what a model may have taken away: modes of its folder and files.

    Only the folder itself and regular files with one name in it; nothing is followed. Whoever
    wrote them must have ended.
    """
    folder.chmod(0o700)
    for path in folder.iterdir():
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            path.chmod(0o600)


def _judge(path: Path, status: os.stat_result, max_bytes: int) -> os.stat_result:
    if not stat.S_ISREG(status.st_mode):
        raise NotARegularFile(f"{path.name} is {describe_kind(status.st_mode)}, not a file")
    if status.st_nlink > 1:
        raise NotARegularFile(f"{path.name} is a hard link to another file")
    if status.st_size > max_bytes:
        raise FileTooLarge(
            f"{path.name} has {status.st_size:,} bytes, more than the {max_bytes:,} allowed"
        )
    return status
