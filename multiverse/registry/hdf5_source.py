"""HDF5 files that are registered: a user's own, or a copy that was made of another format."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from multiverse.contract.files import stream_sha256
from multiverse.contract.hdf5 import ChangedFile, UnsafeHdf5, checked, stamp
from multiverse.contract.hdf5_tree import Rules
from multiverse.errors import DatasetError
from multiverse.registry.filters import load_plugins
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.wrappings import damage_of


@dataclass
class SourceFile:
    """An HDF5 file (a ``Source``), hashed and read through one descriptor.

    ``notes``: what a user should know of how it was made, where it is a copy. ``unread``: columns
    that whoever wrote it had to leave out, ``(table, column)`` → why.
    """

    path: Path
    descriptor: int
    stamp: tuple[int, int, int]
    notes: tuple[str, ...] = ()
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
                readable = Hdf5(found, path, self.notes)
                readable.unread.update(self.unread)
                yield readable
        except ChangedFile as error:
            raise DatasetError(
                f"{path} was changed while it was read", remedy="Try again."
            ) from error
        except UnsafeHdf5 as error:
            raise damage_of(path, str(error), self.stamp[0]) from error


@contextmanager
def read_copy(
    copy: Path,
    path: Path,
    notes: tuple[str, ...] = (),
    unread: Mapping[tuple[str, str], str] | None = None,
) -> Iterator[Hdf5]:
    """Read a copy in HDF5 that was made of ``path``, which messages name.

    ``notes`` and ``unread`` are those of :class:`SourceFile`.
    """
    with copy.open("rb", buffering=0) as stream:
        number = stream.fileno()
        source = SourceFile(path, number, stamp(number), notes, unread or {})
        with source.readable(copy.parent) as found:
            yield found
