"""Locks of a results folder and of single runs that no dead process can keep.

All are the kernel's (flock): they end with the process that holds them, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import platform
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from multiverse.contract.files import NotARegularFile, read_regular
from multiverse.contract.folders import LinkOnTheWay, make_folder, remove_file, status
from multiverse.errors import ResultsError, ResultsLocked
from multiverse.exclusive import exclusive, open_lock, try_lock
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.writing import disk_errors

#: The folder's own lock is held for single steps only: longer waiting means something hangs.
STEP_SECONDS = 60


def prepare_folder(results: ResultsFolder) -> None:
    """Make the results folder if need be; :class:`ResultsError` if that can't be."""
    found = status(results.folder)
    if found is not None and not stat.S_ISDIR(found.st_mode):
        raise ResultsError(
            f"{results.folder} is a file, not a folder", remedy="Choose another --output."
        )
    try:
        with disk_errors(results.folder):
            make_folder(results.folder)
    except OSError as error:
        raise ResultsError(
            f"{results.folder} can't be made: {error.strerror}",
            remedy="Choose another --output.",
        ) from error


@contextmanager
def folder_lock(results: ResultsFolder) -> Iterator[None]:
    """Keep every other runner from one short step: from changing locks, or files of the folder.

    Raises :class:`ResultsLocked` if it is not free within a minute, :class:`ResultsError` if the
    folder can't be written.
    """
    with ExitStack() as held:
        try:
            with disk_errors(results.folder):
                held.enter_context(exclusive(results.lock, seconds=STEP_SECONDS))
        except TimeoutError as error:
            raise ResultsLocked(
                f"another process has kept {results.lock} for {STEP_SECONDS} seconds",
                remedy="See which one: `fuser` or `lsof` on that file; on a network file system, "
                "whether its locks work.",
            ) from error
        except FileNotFoundError as error:
            raise ResultsError(
                f"{results.folder} is not there any more",
                remedy="If it was moved, move it back and run the same command again: complete "
                "runs are not repeated.",
            ) from error
        except OSError as error:
            raise ResultsError(
                f"{results.lock} can't be locked: {error.strerror}",
                remedy="Remove it if it is anything else than an empty file.",
            ) from error
        yield


def is_locked(descriptor: int) -> bool:
    """Return whether a living process holds the lock of an opened file.

    A shared lock is tried, which ends when the file is closed: two that look at the same time
    don't see each other, and a file that may only be read is enough.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


class RunLocks:
    """The runs that this process works on, each held against every other process."""

    def __init__(self, results: ResultsFolder) -> None:
        self._results = results
        self._guard = threading.Lock()
        self._held: dict[str, int] = {}

    def acquire(self, run_id: str) -> bool:
        """Take a run, if nobody else has it; True as well if it is ours already."""
        with self._guard:
            if run_id in self._held:
                return True
            with folder_lock(self._results), disk_errors(self._results.folder):
                descriptor = self._open(run_id)
            if descriptor is None:
                return False
            self._held[run_id] = descriptor
            return True

    def _open(self, run_id: str) -> int | None:
        path = self._results.run_lock(run_id)
        try:
            make_folder(path.parent)
            descriptor = open_lock(path)
        except (NotARegularFile, LinkOnTheWay, NotADirectoryError, IsADirectoryError) as error:
            raise ResultsError(
                f"{error.filename or path} is not this folder's own: {error.strerror}",
                remedy="Move it away, or choose another --output.",
            ) from error
        try:
            if not try_lock(descriptor, path):
                os.close(descriptor)
                return None
            text = f"process {os.getpid()} on {platform.node()}\n".encode()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text, 0)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def holder(self, run_id: str) -> str:
        """Return the holder of a run's lock, in words."""
        try:
            held = read_regular(self._results.run_lock(run_id), max_bytes=1000)
        except OSError:
            return "another process"
        return held.decode(errors="replace").strip()[:200] or "another process"

    def release(self, run_id: str) -> None:
        """Give a run back. Its lock's file goes: everybody opens it under the folder's lock."""
        with self._guard:
            descriptor = self._held.pop(run_id, None)
            if descriptor is None:
                return
            try:
                with folder_lock(self._results):
                    remove_file(self._results.run_lock(run_id))
            finally:
                os.close(descriptor)

    def held(self) -> list[str]:
        """Return the runs that are ours at this moment."""
        with self._guard:
            return list(self._held)

    def release_all(self) -> None:
        for run_id in self.held():
            self.release(run_id)
