"""Reading HDF5 files that somebody else made, without trusting their links or their sizes.

Every node was judged when the file was opened, see :mod:`multiverse.contract.hdf5`: nothing leads
out of the file. Links within it may stand where nothing reads them; here none is followed, and
nothing is allocated before its declared size was compared with the bytes that are really there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from multiverse.contract.hdf5 import HDF5_ERRORS, CheckedFile, UnsafeHdf5, first_line
from multiverse.contract.hdf5_reads import CountedReads
from multiverse.contract.hdf5_tables import TABLE, check_element
from multiverse.contract.hdf5_tree import Suspicious, judge_values
from multiverse.errors import DatasetError
from multiverse.registry.filters import filter_refusal, missing_filters

Node: TypeAlias = h5py.Group | h5py.Dataset


class Hdf5:
    """An open source file, and the only way in which registration reads from it.

    ``notes`` are what a user should know of how it came to be HDF5, where it is a copy; ``unread``
    are the columns that were left out, ``(table, column)`` → why.
    """

    def __init__(self, found: CheckedFile, path: Path, notes: tuple[str, ...] = ()) -> None:
        self.file = found.file
        self.path = path
        self.notes = notes
        self.unread: dict[tuple[str, str], str] = {}
        self._found = found

    @property
    def reads(self) -> CountedReads:
        """What is read of the file while it is checked."""
        return self._found.reads

    def child(self, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
        """Return the object ``name`` inside ``group``; None where there is none, or a null.

        Raises :class:`DatasetError` for a link, and for a name that is a path.
        """
        where = f"{group.name.rstrip('/')}/{name}"
        if "/" in name or name in ("", "."):  # ".." is a name like any other to HDF5
            raise self.error(f"{name!r:.80} is a path, not the name of what is in {group.name}")
        with self.reading(where):
            link = group.get(name, getlink=True)
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise self.error(f"{where} is a link to elsewhere, which is not followed")
            found = group[name]
            return None if _is_null(found) else found

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
            raise self._failure(where, error) from error

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
        with self.reading(dataset.name), self._judging():
            judge_values(dataset.id, dataset.name, self.file, self._found.reads)

    def check_table(self, group: Node) -> None:
        """Judge a table or a column, before a reader follows the names and references in it."""
        with self.reading(group.name), self._judging():
            check_element(self._found, group, TABLE)

    @contextmanager
    def _judging(self) -> Iterator[None]:
        try:
            yield
        except (Suspicious, UnsafeHdf5) as error:
            raise self.error(str(error)) from error

    def _failure(self, where: str, error: Exception) -> DatasetError:
        """Return what keeps a node from being read: a filter that is not there, or damage."""
        with suppress(*HDF5_ERRORS):
            for code in missing_filters(self.file[where]):
                return filter_refusal(self.path, where, code)
        return self.error(f"{where} can't be read: {first_line(error)}")

    def leave_out(self, table: str, column: str, why: str) -> None:
        """Note that a column of a table can't be used."""
        self.unread[table, column] = why

    def error(self, message: str) -> DatasetError:
        return DatasetError(f"{self.path} is damaged: {message}")


def _is_null(node: object) -> bool:
    """Return whether a node stands for None, as anndata writes it."""
    if not isinstance(node, h5py.Dataset):
        return False
    return node.shape is None or node.attrs.get("encoding-type") == "null"
