"""Opening the file that a user wants to register."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from multiverse.contract.hdf5 import stamp
from multiverse.errors import DatasetError
from multiverse.registry.formats.foreign import foreign_file
from multiverse.registry.formats.matrix_folder import MatrixFolder, find_matrix
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.hdf5_source import SourceFile, read_copy
from multiverse.registry.wrappings import HEAD_BYTES, broken_link, is_hdf5
from multiverse.registry.zarr_copy import copy_store
from multiverse.registry.zarr_store import StoreFiles, is_store, opened_store
from multiverse.specs.source_names import is_matrix_name

_SUPPORTED = (
    "Pass an AnnData file (.h5ad), a MuData file (.h5mu), a zarr store of one, a 10x file (.h5) or "
    "a matrix folder."
)


def check_source(path: Path) -> None:
    """Raise :class:`DatasetError` where ``path`` is nothing that can be read, by its content."""
    if is_store(path):
        return
    if path.is_dir():
        find_matrix(path)
        return
    with _opened(path) as (descriptor, status):
        head = os.pread(descriptor, HEAD_BYTES, 0)
    if status.st_size == 0:
        raise DatasetError(f"{path} is empty", remedy="Copy or download it again.")
    if is_matrix_name(path.name):
        find_matrix(path)
    elif not is_hdf5(head):
        raise foreign_file(path, status)


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
    if path.is_dir() or is_matrix_name(path.name):
        with MatrixFolder.opened(path) as folder:
            yield folder
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
        copied = copy_store(self.store, copy)
        with read_copy(copy, self.path, copied.notes, copied.unread) as found:
            yield found
        copy.unlink()
