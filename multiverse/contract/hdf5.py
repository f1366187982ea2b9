"""The one door to HDF5 files that somebody else made: every node is checked, then it is read.

What was checked is what is read: the file is opened once, by a descriptor, and whoever changed it
meanwhile is found out by its times.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from multiverse.contract.files import open_regular

if TYPE_CHECKING:
    import h5py

    from multiverse.contract.hdf5_reads import CountedReads
    from multiverse.contract.hdf5_tree import Rules

#: What h5py raises for a damaged object: which of them depends on the HDF5 call that fails.
HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)
#: Bytes of a file in a results folder: more than the largest embedding that is allowed.
MAX_BYTES = 256 * 1024**3


class UnsafeHdf5(OSError):
    """A file is not HDF5, is damaged, points out of itself, or declares what it does not hold."""


class ChangedFile(UnsafeHdf5):
    """A file is no longer the one that was checked."""


@dataclass(frozen=True)
class CheckedFile:
    """An open file of which every node was judged; ``addresses`` are those of the nodes."""

    file: h5py.File
    reads: CountedReads
    addresses: frozenset[int]


@contextmanager
def opened(path: Path, *, max_bytes: int = MAX_BYTES) -> Iterator[h5py.File]:
    """Open a file in a results folder: a regular file of one name, that points to nothing.

    Raises :class:`UnsafeHdf5`, and OSError where there is none or it is no regular file.
    """
    with opened_whole(path, max_bytes=max_bytes) as found:
        yield found.file


@contextmanager
def opened_descriptor(descriptor: int) -> Iterator[h5py.File]:
    """Open what is behind a descriptor as :func:`opened` does; it stays open."""
    from multiverse.contract.hdf5_tree import Rules

    with checked(descriptor, Rules(soft_links=False, every_value=True)) as found:
        yield found.file


@contextmanager
def opened_whole(path: Path, *, max_bytes: int = MAX_BYTES) -> Iterator[CheckedFile]:
    """Open a file as :func:`opened` does; return it with what is known of it."""
    from multiverse.contract.hdf5_tree import Rules

    descriptor = open_regular(path, max_bytes=max_bytes)
    try:
        with checked(descriptor, Rules(soft_links=False, every_value=True)) as found:
            yield found
    finally:
        os.close(descriptor)


@contextmanager
def checked(
    descriptor: int, rules: Rules, since: tuple[int, int, int] | None = None
) -> Iterator[CheckedFile]:
    """Check the file behind a descriptor, and open it for reading.

    ``since`` is its stamp at an earlier time, from when on it must be the same.

    Raises :class:`UnsafeHdf5` where a node of it is not to be trusted, :class:`ChangedFile` where
    the file is another one when the block ends.
    """
    import h5py

    from multiverse.contract.hdf5_reads import CountedReads
    from multiverse.contract.hdf5_tree import Suspicious, TreeCheck

    before = stamp(descriptor) if since is None else since
    reads = CountedReads(descriptor)
    try:
        with h5py.File(reads, "r") as file:
            addresses = TreeCheck(file, reads, rules).run()
        file = h5py.File(f"/dev/fd/{descriptor}", "r", locking=False)
    except (Suspicious, *HDF5_ERRORS) as error:
        raise UnsafeHdf5(first_line(error)) from error
    with file:
        yield CheckedFile(file, reads, addresses)
    if stamp(descriptor) != before:
        raise ChangedFile("was changed while it was read")


def first_line(error: Exception) -> str:
    """Return what is wrong; HDF5 tells more than a person can use."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def stamp(descriptor: int) -> tuple[int, int, int]:
    """Return what differs after a file was written to: its size and its times."""
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
