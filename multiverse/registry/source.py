"""Opening the file that a user wants to register."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from multiverse.contract.files import stream_sha256
from multiverse.contract.hdf5 import ChangedFile, UnsafeHdf5, checked, stamp
from multiverse.contract.hdf5_tree import Rules
from multiverse.errors import DatasetError
from multiverse.registry.formats.foreign import foreign_file, is_hdf5
from multiverse.registry.formats.matrix_folder import (
    MatrixFolder,
    find_matrix,
    is_matrix_name,
    sample_name,
)
from multiverse.registry.hdf5 import Hdf5

_SUPPORTED = "Pass an AnnData file (.h5ad), a MuData file (.h5mu) or a 10x file (.h5)."


def source_name(path: Path) -> str:
    """Return what a source is called, for a dataset without a chosen slug: ``data/pbmc.h5ad`` →
    ``pbmc``, ``GSM1_matrix.mtx.gz`` → ``GSM1``.
    """
    return sample_name(path) if is_matrix_name(path.name) else path.absolute().stem


def check_source(path: Path) -> None:
    """Raise :class:`DatasetError` where ``path`` is not a readable source of a known kind.

    Files are told apart by their content, not by their names.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            f"{path} does not exist", remedy="Check the path: it is taken from where you are."
        ) from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{str(path)!r} can't be read: {error}") from error
    if stat.S_ISDIR(status.st_mode):
        find_matrix(path)
        return
    if not stat.S_ISREG(status.st_mode):
        raise DatasetError(f"{path} is not a regular file", remedy=_SUPPORTED)
    if status.st_size == 0:
        raise DatasetError(f"{path} is empty", remedy="Copy or download it again.")
    if is_matrix_name(path.name):
        find_matrix(path)
    elif not is_hdf5(path):
        raise foreign_file(path)


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
    """An HDF5 file (:class:`Source`), hashed and read through one descriptor."""

    path: Path
    descriptor: int
    stamp: tuple[int, int, int]
    notes: tuple[str, ...] = ()

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
        try:
            with checked(
                self.descriptor, Rules(soft_links=True, every_value=False), self.stamp
            ) as found:
                yield Hdf5(found, path, self.notes)
        except ChangedFile as error:
            raise DatasetError(
                f"{path} was changed while it was read", remedy="Try again."
            ) from error
        except UnsafeHdf5 as error:
            raise DatasetError(
                f"{path} is not an HDF5 file, or is damaged: {error}",
                remedy="Copy or download it again; a file that is still being written can't be "
                "read.",
            ) from error


@contextmanager
def opened_source(path: Path) -> Iterator[Source]:
    """Open the file for as long as it is read; links to it are followed, it is the user's path.

    Raises :class:`DatasetError` where it is no readable file of a known kind.
    """
    check_source(path)
    if path.is_dir() or is_matrix_name(path.name):
        with MatrixFolder.opened(path) as folder:
            yield folder
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise DatasetError(f"{path} can't be read: permission denied") from error
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DatasetError(f"{path} is not a regular file", remedy=_SUPPORTED)
        yield SourceFile(path, descriptor, stamp(descriptor))
    finally:
        os.close(descriptor)
