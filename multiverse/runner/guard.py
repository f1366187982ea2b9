"""Watches the disk while jobs run: what one output takes, and what the file system has left."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from multiverse.specs.quantity import format_bytes

#: ``st_blocks`` counts in these, whatever the file system's own blocks are.
BLOCK_BYTES = 512
#: Folders in folders. An honest output has none; a tree without end costs a descriptor a level.
MAX_DEPTH = 32
#: New files that the file system must still take.
MIN_FREE_FILES = 20_000


class OutputGuard:
    """Says when a model's output outgrows its bounds.

    Parameters
    ----------
    folder
        What the model may write to.
    max_bytes
        Bytes of disk that it may take: allocated blocks, so that a sparse file counts for what
        it costs.
    max_files
        Files and folders that it may hold.

    A file that was deleted while a process holds it open is in no folder and not counted; see
    :class:`FreeSpace`.
    """

    def __init__(self, folder: Path, max_bytes: int, max_files: int = 10_000) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_files = max_files

    def look(self) -> str | None:
        """Return the reason to end the job, as words that follow "its output", or None.

        Stops counting at the first bound that is passed, follows no link, and takes what
        vanishes meanwhile for gone. Never raises OSError.
        """
        count = _Count()
        with suppress(OSError):
            self._add_folder(count, os.open(self._folder, _FOLDER_FLAGS), 0)
        if count.too_deep:
            return f"has folders within folders, more than {MAX_DEPTH} deep"
        if count.files > self._max_files:
            return f"holds more than {self._max_files:,} files"
        if count.bytes > self._max_bytes:
            return (
                f"takes at least {format_bytes(count.bytes)} of disk, more than the "
                f"{format_bytes(self._max_bytes)} allowed"
            )
        return None

    def _add_folder(self, count: _Count, descriptor: int, depth: int) -> None:
        """Add what a folder holds, by its descriptor, which is closed.

        The names in it are opened relative to it: a folder that is replaced by a link while
        it is counted leads nowhere.
        """
        try:
            count.too_deep = count.too_deep or depth > MAX_DEPTH
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    if self._is_over(count):
                        return
                    with suppress(OSError):
                        self._add_entry(count, entry, descriptor, depth)
        finally:
            os.close(descriptor)

    def _add_entry(
        self, count: _Count, entry: os.DirEntry[str], descriptor: int, depth: int
    ) -> None:
        count.files += 1
        status = entry.stat(follow_symlinks=False)
        count.add(status)
        if stat.S_ISDIR(status.st_mode):
            self._add_folder(count, _open_folder(entry.name, descriptor), depth + 1)

    def _is_over(self, count: _Count) -> bool:
        return count.too_deep or count.files > self._max_files or count.bytes > self._max_bytes


_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class _Count:
    """The files found up to now. A file with several names is counted once."""

    files: int = 0
    bytes: int = 0
    too_deep: bool = False
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def add(self, status: os.stat_result) -> None:
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            identity = (status.st_dev, status.st_ino)
            if identity in self._seen:
                return
            self._seen.add(identity)
        self.bytes += status.st_blocks * BLOCK_BYTES


def _open_folder(name: str, parent: int) -> int:
    """Open a folder for reading, also one that its model has closed to everybody.

    What can't be looked into would be a place to fill the disk from. Its owner, who is the user
    of the runner, may open it; through a descriptor of the folder itself, because a link may
    stand under its name by then.
    """
    try:
        return os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    except PermissionError:
        itself = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            Path(f"/proc/self/fd/{itself}").chmod(0o700)
        finally:
            os.close(itself)
        return os.open(name, _FOLDER_FLAGS, dir_fd=parent)


class FreeSpace:
    """Says when the file system of a folder runs short.

    Parameters
    ----------
    folder
        A folder of that file system; the nearest one above it that exists is asked.
    reserve
        Bytes that must stay free for users without privileges.
    """

    def __init__(self, folder: Path, reserve: int) -> None:
        self._folder = folder
        self._reserve = reserve

    def short(self) -> str | None:
        """Return the shortage of space, with the numbers, or None. Never raises OSError."""
        status = self._status()
        if status is None:
            return None
        free = status.f_bavail * status.f_frsize
        if free < self._reserve:
            return (
                f"only {format_bytes(free)} are free on the disk of {self._folder}, less than "
                f"the {format_bytes(self._reserve)} kept in reserve"
            )
        # A file system that makes its inodes as it needs them (btrfs) says that it has none.
        if status.f_files and status.f_favail < MIN_FREE_FILES:
            return f"the disk of {self._folder} takes only {status.f_favail:,} more files (inodes)"
        return None

    def _status(self) -> os.statvfs_result | None:
        for folder in (self._folder, *self._folder.absolute().parents):
            with suppress(OSError):
                return os.statvfs(folder)
        return None
