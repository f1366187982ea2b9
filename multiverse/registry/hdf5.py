"""Reading HDF5 files that somebody else made, without trusting their links or their sizes.

An HDF5 file can point to other files (external links, external storage, virtual datasets) and
can declare shapes far beyond its own size. Nothing is followed out of the file, and nothing is
allocated before its declared size was compared with the bytes that are really there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from multiverse.errors import DatasetError

#: Arrays up to this size are read whatever their compression.
SMALL_BYTES = 64 * 1024**2
#: Deflate, the usual filter, can't compress by more than 1 : 1032.
MAX_COMPRESSION = 1100
MAX_DEPTH = 6

#: What h5py raises for a damaged object: which of them depends on the HDF5 call that fails.
HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)


class Hdf5:
    """An open source file, and the only way in which registration reads from it."""

    def __init__(self, file: h5py.File, path: Path) -> None:
        self.file = file
        self.path = path
        self.bytes = path.stat().st_size

    def child(self, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
        """Return the object ``name`` inside ``group``; None where there is none.

        Raises :class:`DatasetError` for a link (soft or external) and for values that are kept
        in another file.
        """
        where = f"{group.name.rstrip('/')}/{name}"
        with self.reading(where):
            link = group.get(name, getlink=True)
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise self.error(f"{where} is a link to elsewhere, which is not followed")
            found = group[name]
            if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
                raise self.error(f"{where} keeps its values in another file")
        return found

    def names(self, group: h5py.Group) -> list[str]:
        """Return the names of what is in a group."""
        with self.reading(group.name):
            return list(group)

    def attribute(self, node: h5py.Group | h5py.Dataset, *names: str) -> Any:
        """Return the first of these attributes that is there; None where none is."""
        with self.reading(node.name):
            for name in names:
                if name in node.attrs:
                    return node.attrs[name]
        return None

    @contextmanager
    def reading(self, where: str) -> Iterator[None]:
        """Turn what h5py raises for a damaged file into a :class:`DatasetError`."""
        try:
            yield
        except HDF5_ERRORS as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise self.error(f"{where} can't be read: {reason}") from error

    def group(self, group: h5py.Group, name: str) -> h5py.Group | None:
        """Return the group ``name``; None where there is none or where it is not a group."""
        found = self.child(group, name)
        return found if isinstance(found, h5py.Group) else None

    def array(self, group: h5py.Group, name: str) -> h5py.Dataset:
        """Return the dataset ``name``, which must be there; its size is not yet checked."""
        found = self.child(group, name)
        if not isinstance(found, h5py.Dataset):
            raise self.error(f"{group.name}/{name} is missing or is not an array")
        return found

    def load(self, dataset: h5py.Dataset) -> np.ndarray:
        """Return all values of a dataset whose declared size is believable."""
        self.check_size(dataset)
        with self.reading(dataset.name):
            return np.asarray(dataset[...])

    def check_size(self, dataset: h5py.Dataset) -> None:
        """Raise :class:`DatasetError` if a dataset declares more than its stored bytes can hold."""
        with self.reading(dataset.name):
            declared = (dataset.size or 0) * dataset.dtype.itemsize
            stored = min(dataset.id.get_storage_size(), self.bytes)
        if declared > SMALL_BYTES and declared > MAX_COMPRESSION * stored:
            raise self.error(
                f"{dataset.name} declares {declared:,} bytes, of which the file holds {stored:,}"
            )

    def check_tree(self, group: h5py.Group | h5py.Dataset, depth: int = 0) -> None:
        """Judge everything below ``group``, before a library that trusts it reads it whole."""
        if isinstance(group, h5py.Dataset):
            self.check_size(group)
            return
        if depth > MAX_DEPTH:
            raise self.error(f"{group.name} is nested too deeply")
        for name in self.names(group):
            found = self.child(group, name)
            if found is not None:
                self.check_tree(found, depth + 1)

    def error(self, message: str) -> DatasetError:
        return DatasetError(f"{self.path} is damaged: {message}")
