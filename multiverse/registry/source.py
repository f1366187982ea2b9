"""Opening the file that a user wants to register."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from multiverse.contract.files import stream_sha256
from multiverse.contract.hdf5 import ChangedFile, UnsafeHdf5, checked, stamp
from multiverse.contract.hdf5_tree import Rules
from multiverse.errors import DatasetError
from multiverse.registry.filters import load_plugins
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.wrappings import HEAD_BYTES, broken_link, damage_of, is_hdf5, known_as
from multiverse.registry.zarr_copy import copy_store
from multiverse.registry.zarr_store import StoreFiles, is_store, opened_store

SUFFIXES = (".h5ad", ".h5mu")
_SUPPORTED = "Pass an AnnData file (.h5ad), a MuData file (.h5mu), or a zarr store of one."


def check_source(path: Path) -> None:
    """Raise :class:`DatasetError` where ``path`` is nothing that can be read, by its content."""
    if is_store(path):
        return
    with _opened(path) as (descriptor, status):
        head = os.pread(descriptor, HEAD_BYTES, 0)
    if is_hdf5(head):
        return
    if status.st_size == 0:
        raise DatasetError(f"{path} is empty", remedy="Copy or download it again.")
    known = known_as(path, head, status)
    if known is not None:
        raise known
    if path.suffix.lower() not in SUFFIXES:
        raise DatasetError(
            f"{path} is neither an .h5ad nor an .h5mu file",
            remedy=f"{_SUPPORTED} scanpy reads many other formats, and writes .h5ad.",
        )
    raise damage_of(path, "it does not begin as one", status.st_size)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """Open a regular file for reading; :class:`DatasetError` where there is none."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():
            raise broken_link(path) from error
        raise DatasetError(
            f"{path} does not exist", remedy="Check the path: it is taken from where you are."
        ) from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{str(path)!r} can't be read: {error}") from error
    if stat.S_ISDIR(status.st_mode):
        raise DatasetError(f"{path} is a folder, not a file", remedy=_SUPPORTED)
    if not stat.S_ISREG(status.st_mode):
        raise DatasetError(f"{path} is not a regular file", remedy=_SUPPORTED)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise DatasetError(f"{path} can't be read: permission denied") from error
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DatasetError(f"{path} is not a regular file", remedy=_SUPPORTED)
        yield descriptor, status
    finally:
        os.close(descriptor)


class Source(Protocol):
    """A file, or a folder that is one dataset, while it is registered."""

    path: Path

    def sha256(self) -> str:
        """Return the SHA-256 of its content in hexadecimal digits."""
        ...

    def readable(self, scratch: Path) -> AbstractContextManager[Hdf5]:
        """Give it to be read as HDF5; what is not is copied to the folder ``scratch`` as such.

        Raises :class:`DatasetError` where it is damaged or changes meanwhile.
        """
        ...


@dataclass
class SourceFile:
    """An HDF5 file (:class:`Source`), hashed and read through one descriptor.

    ``unread`` are columns that whoever wrote it had to leave out, ``(table, column)`` → why.
    """

    path: Path
    descriptor: int
    stamp: tuple[int, int, int]
    unread: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def sha256(self) -> str:
        """Return the SHA-256 of its content in hexadecimal digits."""
        try:
            with os.fdopen(os.dup(self.descriptor), "rb", buffering=0) as stream:
                return stream_sha256(stream)
        except OSError as error:
            raise DatasetError(f"{self.path} can't be read: {error.strerror}") from error

    @contextmanager
    def readable(self, scratch: Path) -> Iterator[Hdf5]:  # noqa: ARG002
        path = self.path
        load_plugins()
        try:
            with checked(
                self.descriptor, Rules(soft_links=True, every_value=False), self.stamp
            ) as found:
                readable = Hdf5(found, path)
                readable.unread.update(self.unread)
                yield readable
        except ChangedFile as error:
            raise DatasetError(
                f"{path} was changed while it was read", remedy="Try again."
            ) from error
        except UnsafeHdf5 as error:
            raise damage_of(path, str(error), self.stamp[0]) from error


@contextmanager
def opened_source(path: Path) -> Iterator[Source]:
    """Open the source for as long as it is read; links to it are followed, it is the user's path.

    Raises :class:`DatasetError` where it is no readable file or store of a known kind.
    """
    check_source(path)
    if is_store(path):
        with opened_store(path) as store:
            yield StoreSource(path, store)
        return
    with _opened(path) as (descriptor, _):
        yield SourceFile(path, descriptor, stamp(descriptor))


@dataclass
class StoreSource:
    """A zarr store (:class:`Source`), copied to an HDF5 file to be read."""

    path: Path
    store: StoreFiles

    def sha256(self) -> str:
        """Return the SHA-256 of the names and bytes of its files in hexadecimal digits."""
        return self.store.sha256()

    @contextmanager
    def readable(self, scratch: Path) -> Iterator[Hdf5]:
        copy = scratch / "store.h5"
        unread = copy_store(self.store, copy)
        with _opened(copy) as (descriptor, _):
            copied = SourceFile(self.path, descriptor, stamp(descriptor), unread)
            with copied.readable(scratch) as found:
                yield found
        copy.unlink()
