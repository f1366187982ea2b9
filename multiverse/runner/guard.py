"""Watches the disk while jobs run: what one output takes, and what the file system has left."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from multiverse.contract.folders import open_closed, opened_parent
from multiverse.specs.quantity import format_bytes

#: ``st_blocks`` counts in these, whatever the file system's own blocks are.
BLOCK_BYTES = 512
#: Folders in folders. An honest output has none; a tree without end costs a descriptor a level.
MAX_DEPTH = 32
#: New files that the file system must still take.
MIN_FREE_FILES = 20_000


class OutputGuard:
    """Says when a model's output outgrows its bounds, or can't be looked into.

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

        Stops counting at the first bound that is passed, and follows no link. What is there and
        can't be looked into however often it is tried is a reason, too: whatever the model, the
        file system or the runner's own limits have against it, nobody knows what it holds. What
        vanishes meanwhile is gone. Never raises OSError.
        """
        gone: dict[_Entry, OSError] | None = None
        refused: dict[_Entry, OSError] = {}
        for pause in PAUSES:
            time.sleep(pause)
            count = _Count(self._max_bytes, self._max_files)
            _add_top(count, self._folder)
            if (reason := count.reason()) is not None:
                return reason
            # Whatever it was: another thing may be out of sight in each try.
            if now := {entry: error for entry, error in count.hidden.items() if _is_odd(error)}:
                refused = now
                continue
            # Under its number in the folder, whatever its name: one that is renamed without end
            # is always missed under the name that it had.
            gone = {
                entry: error
                for entry, error in count.hidden.items()
                if gone is None or entry in gone
            }
            if not gone:
                return None
        return f"can't be looked into: {_words(gone or refused)}"


#: Seconds before each try at a count in which something was hidden. Many, because an honest model
#: may be at work in a folder at every one of them; what is hidden in all of them is hidden.
PAUSES = (0.0, *[0.001] * 10, *[0.01] * 20)
#: A folder's number and that of a file in it, as the folder lists it.
_Entry = tuple[int, int]
_TOP: _Entry = (0, 0)


class _Exchanged(FileNotFoundError):
    """A file stands where something else was listed: that one may have been missed."""


@dataclass
class _Count:
    """The files found up to now, and what could not be looked into.

    A file with several names is counted once.
    """

    max_bytes: int
    max_files: int
    files: int = 0
    bytes: int = 0
    too_deep: bool = False
    hidden: dict[_Entry, OSError] = field(default_factory=dict)
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def add(self, status: os.stat_result) -> None:
        identity = (status.st_dev, status.st_ino)
        if identity not in self._seen:
            self._seen.add(identity)
            self.bytes += status.st_blocks * BLOCK_BYTES
        elif status.st_nlink == 1 or stat.S_ISDIR(status.st_mode):
            raise _Exchanged

    @property
    def is_over(self) -> bool:
        return self.too_deep or self.files > self.max_files or self.bytes > self.max_bytes

    def reason(self) -> str | None:
        if self.too_deep:
            return f"has folders within folders, more than {MAX_DEPTH} deep"
        if self.files > self.max_files:
            return f"holds more than {self.max_files:,} files"
        if self.bytes > self.max_bytes:
            return (
                f"takes at least {format_bytes(self.bytes)} of disk, more than the "
                f"{format_bytes(self.max_bytes)} allowed: allow more with `resources: disk:`"
            )
        return None


def _is_odd(error: OSError) -> bool:
    """Return whether something was kept from sight, not merely gone as honest files may be."""
    return isinstance(error, _Exchanged) or not isinstance(error, FileNotFoundError)


def _words(hidden: Mapping[_Entry, OSError]) -> str:
    """Return why something could not be looked into, in every try at it."""
    entry, error = next(iter(hidden.items()))
    if not isinstance(error, FileNotFoundError):
        return error.strerror or type(error).__name__
    return "it is gone" if entry == _TOP else "it changes faster than it can be counted"


def _add_top(count: _Count, folder: Path) -> None:
    """Count an output, whose folder is there as long as its job runs."""
    try:
        with opened_parent(folder) as (parent, name):
            descriptor = open_closed(name, parent)
    except OSError as error:
        count.hidden[_TOP] = error
    else:
        _add_folder(count, descriptor, 0)


def _add_folder(count: _Count, descriptor: int, depth: int) -> None:
    """Add what a folder holds, by its descriptor, which is closed.

    The names in it are opened relative to it: a folder that is replaced by a link while it is
    counted leads nowhere.
    """
    try:
        count.too_deep = count.too_deep or depth > MAX_DEPTH
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if count.is_over:
                    return
                _add_entry(count, entry, descriptor, depth)
    except OSError as error:  # what is in it can't be listed
        count.hidden[os.fstat(descriptor).st_ino, 0] = error
    finally:
        os.close(descriptor)


def _add_entry(count: _Count, entry: os.DirEntry[str], parent: int, depth: int) -> None:
    count.files += 1
    try:
        status = _status(entry.name, parent)
        count.add(status)
        if stat.S_ISDIR(status.st_mode):
            descriptor = open_closed(entry.name, parent)
            same = os.path.samestat(status, os.fstat(descriptor))
            _add_folder(count, descriptor, depth + 1)
            if not same:
                raise _Exchanged
    except OSError as error:
        number = 0 if isinstance(error, _Exchanged) else entry.inode()
        count.hidden[os.fstat(parent).st_ino, number] = error


def _status(name: str, parent: int) -> os.stat_result:
    """Return the status of what is in a folder, also if the model lets nobody look names up."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except PermissionError:
        os.fchmod(parent, 0o700)
        return os.stat(name, dir_fd=parent, follow_symlinks=False)


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
