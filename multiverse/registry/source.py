"""Opening the file that a user wants to register."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from multiverse.errors import DatasetError
from multiverse.registry.hdf5 import Hdf5

SUFFIXES = (".h5ad", ".h5mu")
_SUPPORTED = "Pass an AnnData file (.h5ad) or a MuData file (.h5mu)."


def check_source(path: Path) -> None:
    """Raise :class:`DatasetError` where ``path`` is not a readable file of a known kind."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            f"{path} does not exist", remedy="Check the path: it is taken from where you are."
        ) from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{str(path)!r} can't be read: {error}") from error
    if stat.S_ISDIR(status.st_mode):
        raise DatasetError(f"{path} is a folder, not a file", remedy=_SUPPORTED)
    if not stat.S_ISREG(status.st_mode):
        raise DatasetError(f"{path} is not a regular file", remedy=_SUPPORTED)
    if path.suffix.lower() not in SUFFIXES:
        raise DatasetError(
            f"{path} is neither an .h5ad nor an .h5mu file",
            remedy=f"{_SUPPORTED} scanpy reads many other formats, and writes .h5ad.",
        )
    if status.st_size == 0:
        raise DatasetError(f"{path} is empty", remedy="Copy or download it again.")


@contextmanager
def open_source(path: Path) -> Iterator[Hdf5]:
    """Open the file; :class:`DatasetError` where it is not HDF5, is damaged, or changes."""
    check_source(path)
    before = path.stat()
    try:
        file = h5py.File(path, "r", locking=False)
    except (OSError, RuntimeError) as error:
        if isinstance(error, PermissionError):
            raise DatasetError(f"{path} can't be read: permission denied") from error
        reason = str(error).splitlines()[0]
        raise DatasetError(
            f"{path} is not an HDF5 file, or is damaged: {reason}",
            remedy="Copy or download it again; a file that is still being written can't be read.",
        ) from error
    with file:
        yield Hdf5(file, path)
    after = path.stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise DatasetError(f"{path} was changed while it was read", remedy="Try again.")
