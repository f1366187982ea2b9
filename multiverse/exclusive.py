"""One process at a time: the kernel's lock on a file, which ends with the process that holds it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from multiverse.contract.files import NotARegularFile, describe_kind
from multiverse.contract.folders import LinkOnTheWay, opened_parent
from multiverse.errors import Cancelled, NoLocks

#: Between looks at whether another process has given a lock back.
POLL_SECONDS = 0.05
#: What the kernel answers where a file system has no locks, or its lock server is not there.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def exclusive(
    lock: Path,
    *,
    seconds: float | None = None,
    waiting: Callable[[], object] | None = None,
    cancelled: threading.Event | None = None,
) -> Iterator[None]:
    """Keep every other process, and thread, out of a block.

    Parameters
    ----------
    lock
        A file that is made if need be, and stays: removing it would let two processes lock
        different ones.
    seconds
        How long another process is waited for; 0: not at all, None: as long as it takes.
    waiting
        Called once if another process has to be waited for.
    cancelled
        Ends the waiting.

    Raises
    ------
    TimeoutError
        Where another process has the lock all the time.
    Cancelled
        Where ``cancelled`` was set meanwhile.
    NoLocks
        Where the file system has none.
    OSError
        Where the lock's file can't be made, or is anything else than a file with one name.
    """
    descriptor = open_lock(lock, own_names=True)
    try:
        _wait(descriptor, lock, seconds, waiting, cancelled)
        yield
    finally:
        os.close(descriptor)


def open_lock(path: Path, *, own_names: bool = False) -> int:
    """Return a descriptor of a lock's file, which is made if need be; no link is followed.

    Its content may be changed: the file has no second name, under which it would be somebody
    else's. With ``own_names`` it may have some, as backups give it, where it is empty, and folder
    and file have one owner; then nothing may be written. Raises :class:`NotARegularFile`,
    :class:`LinkOnTheWay`, other OSErrors.
    """
    with opened_parent(path) as (parent, name):
        owner = os.fstat(parent).st_uid
        try:
            descriptor = os.open(name, _LOCK, 0o666, dir_fd=parent)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise LinkOnTheWay(path) from error
            raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from error
    found = os.fstat(descriptor)
    ours = own_names and found.st_uid == owner and found.st_size == 0
    names_are_fine = found.st_nlink == 1 or ours
    if stat.S_ISREG(found.st_mode) and names_are_fine:
        return descriptor
    os.close(descriptor)
    kind = "a hard link" if stat.S_ISREG(found.st_mode) else describe_kind(found.st_mode)
    raise NotARegularFile(errno.EEXIST, f"{kind}, not a lock's file", str(path))


def try_lock(descriptor: int, lock: Path) -> bool:
    """Take the lock of an opened file, unless another process or thread has it.

    Raises :class:`NoLocks`, OSError.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise NoLocks(
            f"{lock} can't be locked: its file system has no locks ({error.strerror})",
            remedy="Use a folder on another disk: results by --output, datasets by "
            "MULTIVERSE_HOME, environments by MULTIVERSE_CACHE.",
        ) from error
    return True


def _wait(
    descriptor: int,
    lock: Path,
    seconds: float | None,
    waiting: Callable[[], object] | None,
    cancelled: threading.Event | None,
) -> None:
    stop = cancelled or threading.Event()
    end = None if seconds is None else time.monotonic() + seconds
    said = False
    while not try_lock(descriptor, lock):
        if end is not None and time.monotonic() >= end:
            raise TimeoutError(f"another process has kept {lock} all the time")
        if waiting is not None and not said:
            waiting()
        said = True
        if stop.wait(POLL_SECONDS):
            raise Cancelled(
                "stopped on request, while another process was waited for",
                remedy="Run the same command again.",
            )
