"""One runner at a time on a results folder, by a lock that a dead process cannot keep."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

from multiverse.errors import ResultsError, ResultsLocked
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.writing import disk_errors


@contextmanager
def locked(results: ResultsFolder) -> Iterator[None]:
    """Hold the results folder, making it if need be.

    Raises :class:`ResultsLocked`, naming the process that holds it, or :class:`ResultsError`
    if the folder can't be written. The lock is the kernel's (flock): it ends with its process.
    """
    from filelock import FileLock, Timeout

    _make(results)
    holder = results.lock.with_suffix(".holder")
    lock = FileLock(results.lock, timeout=0)
    try:
        with disk_errors(results.folder):
            lock.acquire()
    except Timeout as error:
        raise ResultsLocked(
            f"another run is working on {results.folder} ({_who(holder)})",
            remedy="Wait for it to end, stop it, or choose another --output.",
        ) from error
    try:
        with disk_errors(results.folder):
            holder.write_text(f"process {os.getpid()} on {platform.node()}\n")
        yield
    finally:
        # The lock's own file stays: removing it would let two runners lock different files.
        holder.unlink(missing_ok=True)
        lock.release()


def _make(results: ResultsFolder) -> None:
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


def _who(holder: os.PathLike[str]) -> str:
    try:
        with open(holder) as stream:  # noqa: PTH123 - a PathLike, read once
            return stream.read(200).strip() or "starting"
    except OSError:
        return "starting"
