"""The files of a zarr store, a folder or a zip archive: regular files in it, and nothing else.

No link is followed, nothing but regular files is opened, and no more of a file is read than was
asked for.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from multiverse.contract.files import describe_kind
from multiverse.errors import DatasetError

#: One of these stands at the root of a store.
ROOT_FILES = (".zgroup", "zarr.json", ".zmetadata")
MAX_FILES, MAX_DEPTH = 2_000_000, 64
_ZIP_SIGNATURE = b"PK\3\4"
_BLOCK = 1024**2
#: What the file browsers of some systems leave behind.
_LITTER = (".DS_Store", "Thumbs.db")


class StoreFiles(ABC):
    """The files of a store. ``sizes``: name below the root, with slashes, → bytes."""

    def __init__(self, path: Path, sizes: Mapping[str, int]) -> None:
        self.path = path
        self.sizes = sizes

    @abstractmethod
    def read(self, name: str, most: int, start: int = 0) -> bytes:
        """Return up to ``most`` bytes of a file of the store, from ``start`` on."""

    @abstractmethod
    def check_unchanged(self) -> None:
        """Raise :class:`DatasetError` where files were changed since the store was opened."""

    def sha256(self) -> str:
        """Return the SHA-256 of the names and bytes of all files in hexadecimal digits."""
        digest = hashlib.sha256()
        for name in sorted(self.sizes):
            encoded = name.encode("utf-8", "surrogateescape")
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
            digest.update(self.sizes[name].to_bytes(8, "little"))
            for start in range(0, self.sizes[name], _BLOCK):
                digest.update(self.read(name, _BLOCK, start))
        return digest.hexdigest()

    def error(self, message: str, remedy: str | None = None) -> DatasetError:
        """Return the error for a store that is damaged."""
        return DatasetError(f"{self.path} is damaged: {message}", remedy=remedy)


class FolderStore(StoreFiles):
    """A store in a folder, reached by the folder's descriptor, name by name."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._descriptor = descriptor
        self._found = dict(_files(path, descriptor))
        super().__init__(path, {name: size for name, (size, _) in self._found.items()})

    def read(self, name: str, most: int, start: int = 0) -> bytes:
        *folders, leaf = name.split("/")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        opened = [self._descriptor]
        try:
            for folder in folders:
                opened.append(os.open(folder, flags | os.O_DIRECTORY, dir_fd=opened[-1]))
            opened.append(os.open(leaf, flags, dir_fd=opened[-1]))
            if not stat.S_ISREG(os.fstat(opened[-1]).st_mode):
                raise self.error(f"{name} is not a regular file")
            return os.pread(opened[-1], min(most, self.sizes[name] - start), start)
        except OSError as error:
            raise DatasetError(
                f"{self.path / name} can't be read: {error.strerror}", remedy="Try again."
            ) from error
        finally:
            for descriptor in opened[1:]:
                os.close(descriptor)

    def check_unchanged(self) -> None:
        if dict(_files(self.path, self._descriptor)) != self._found:
            raise DatasetError(f"{self.path} was changed while it was read", remedy="Try again.")


class ZipStore(StoreFiles):
    """A store in a zip archive, which may hold it in a folder of its own."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        members = [info for info in archive.infolist() if not info.is_dir()]
        if len(members) > MAX_FILES:
            raise DatasetError(f"{path} holds more than {MAX_FILES:,} files")
        root = _root([info.filename for info in members]) or ""
        strange = [info.filename for info in members if not _is_plain(info.filename)]
        if strange:
            raise DatasetError(f"{path} has a member that is named like a path: {strange[0]!r:.80}")
        self._members = {
            info.filename[len(root) :]: info
            for info in members
            if info.filename.startswith(root) and not _is_litter(info.filename)
        }
        super().__init__(path, {name: info.file_size for name, info in self._members.items()})

    def read(self, name: str, most: int, start: int = 0) -> bytes:
        info = self._members[name]
        if info.flag_bits & 1 or info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise DatasetError(
                f"{self.path} is packed in a way that can't be read: {name}",
                remedy="Unpack it, and name the folder.",
            )
        try:
            with self._archive.open(info) as stream:
                if start:
                    stream.seek(start)
                return stream.read(min(most, info.file_size - start))
        except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise self.error(f"{name} can't be unpacked: {error}") from error
        except Exception as error:  # zlib's own kind, and what a broken header leads to
            raise self.error(f"{name} can't be unpacked: {error}") from error

    def check_unchanged(self) -> None:
        """Do nothing: the archive is read through the one descriptor."""


def is_store(path: Path) -> bool:
    """Return whether a path is a zarr store, by what is in it."""
    try:
        if path.is_dir():
            return path.suffix.lower() == ".zarr" or any(
                os.path.lexists(path / name) for name in ROOT_FILES
            )
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            if stream.read(4) != _ZIP_SIGNATURE:
                return False
        with zipfile.ZipFile(path) as archive:
            return _root(archive.namelist()) is not None
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


@contextmanager
def opened_store(path: Path) -> Iterator[StoreFiles]:
    """Open a store for reading. Raises :class:`DatasetError` where it is none, or can't be read."""
    try:
        if path.is_dir():
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                yield FolderStore(path, descriptor)
            finally:
                os.close(descriptor)
            return
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            yield ZipStore(path, archive)
    except (PermissionError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} can't be read: {error}") from error


def _files(path: Path, root: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the name of each file below a folder with its size and time of change."""
    waiting, number = [("", 0)], 0
    while waiting:
        folder, depth = waiting.pop()
        descriptor = _enter(path, root, folder)
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    number += 1
                    if number > MAX_FILES or depth > MAX_DEPTH:
                        raise DatasetError(f"{path} holds too many files or folders")
                    name = f"{folder}{entry.name}"
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append((f"{name}/", depth + 1))
                    elif not stat.S_ISREG(status.st_mode):
                        raise DatasetError(
                            f"{path / name} is {describe_kind(status.st_mode)}, which is not "
                            "followed in a store",
                            remedy="Copy the store with what its links lead to: cp -rL",
                        )
                    elif not _is_litter(name):
                        yield name, (status.st_size, status.st_mtime_ns)
        finally:
            os.close(descriptor)


def _enter(path: Path, root: int, folder: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.dup(root)
    try:
        for name in filter(None, folder.split("/")):
            inner = os.open(name, flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
    except OSError as error:
        os.close(descriptor)
        raise DatasetError(f"{path / folder} can't be read: {error.strerror}") from error
    return os.open(".", flags, dir_fd=descriptor) if not folder else descriptor


def _root(names: list[str]) -> str | None:
    """Return the folder of an archive in which a store lies; None where there is none."""
    found = [
        name[: -len(root)]
        for name in names
        for root in ROOT_FILES
        if name == root or name.endswith(f"/{root}")
    ]
    return min(found, key=len, default=None)


def _is_plain(name: str) -> bool:
    return not any(part in ("", ".", "..") for part in name.split("/"))


def _is_litter(name: str) -> bool:
    leaf = name.rpartition("/")[2]
    return leaf in _LITTER or leaf.startswith("._") or name.startswith("__MACOSX/")
