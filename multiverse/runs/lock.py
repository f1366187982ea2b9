"""Locks of a results folder and of single runs that no dead process can keep.

All are the kernel's (flock): they end with the process that holds them, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from multiverse.errors import ResultsError, ResultsLocked
from multiverse.exclusive import exclusive
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.writing import disk_errors

#: The folder's own lock is held for single steps only: longer waiting means something hangs.
STEP_SECONDS = 60


def prepare_folder(results: ResultsFolder) -> None:
    """Make the results folder if need be; :class:`ResultsError` if that can't be."""
    if results.folder.exists() and not results.folder.is_dir():
        raise ResultsError(
            f"{results.folder} is a file, not a folder", remedy="Choose another --output."
        )
    try:
        with disk_errors(results.folder):
            results.folder.mkdir(parents=True, exist_ok=True)
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
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            text = f"process {os.getpid()} on {platform.node()}\n".encode()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text, 0)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def holder(self, run_id: str) -> str:
        """Return the holder of a run's lock, in words."""
        try:
            with self._results.run_lock(run_id).open() as stream:
                return stream.read(200).strip() or "another process"
        except OSError:
            return "another process"

    def release(self, run_id: str) -> None:
        """Give a run back. Its lock's file goes: everybody opens it under the folder's lock."""
        with self._guard:
            descriptor = self._held.pop(run_id, None)
            if descriptor is None:
                return
            try:
                with folder_lock(self._results):
                    self._results.run_lock(run_id).unlink(missing_ok=True)
            finally:
                os.close(descriptor)

    def held(self) -> list[str]:
        """Return the runs that are ours at this moment."""
        with self._guard:
            return list(self._held)

    def release_all(self) -> None:
        for run_id in self.held():
            self.release(run_id)
