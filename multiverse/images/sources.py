"""The files of a model's folder, which may be a stranger's: found within bounds, links and all.

Everything that hashes, copies or sends a model's folder asks here first: number and size are known
before a byte is read, and what is read is a regular file of the folder itself.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from multiverse.contract.files import describe_kind, read_regular
from multiverse.errors import BuildError
from multiverse.specs.image_names import PACKAGE
from multiverse.specs.quantity import format_bytes

#: What runs: files that are hashed before each run, and copied for the engine ``local``.
MAX_FILES, MAX_BYTES = 10_000, 2 * 1024**3
#: All of a folder that is given to ``docker build``, with what stands there for its author.
MAX_CONTEXT_FILES, MAX_CONTEXT_BYTES = 200_000, 32 * 1024**3
MAX_DEPTH = 32
#: A Dockerfile, a lock.
MAX_TEXT_BYTES = 16 * 1024**2

#: What stands in a model's folder for its author, not for the model.
_SKIPPED_FOLDERS = frozenset({"__pycache__", "tests"})
_SKIPPED_SUFFIXES = frozenset({".pyc", ".pyo", ".in"})
_SKIPPED_FILES = frozenset({"Dockerfile", "README.md"})
#: What Docker's client reads of a context itself.
_READ_BY_DOCKER = ("Dockerfile", "Dockerfile.dockerignore", ".dockerignore")


@dataclass
class _Count:
    """What was found of a folder so far, and how much there may be."""

    folder: Path
    max_files: int
    max_bytes: int
    files: int = 0
    bytes: int = 0

    def add(self, entry: os.DirEntry[str]) -> None:
        """Count one thing more; raise :class:`BuildError` where that is too much."""
        status = entry.stat(follow_symlinks=False)
        self.files += 1
        self.bytes += status.st_size if stat.S_ISREG(status.st_mode) else 0
        if self.files > self.max_files:
            raise self.error(f"more than {self.max_files:,} files and folders")
        if self.bytes > self.max_bytes:
            raise self.error(f"more than {format_bytes(self.max_bytes)} of files")

    def error(self, what: str) -> BuildError:
        """Return the error of a folder that has too much."""
        return BuildError(
            f"the folder {self.folder} has {what}, so it is not taken as a model's",
            remedy="Keep data elsewhere, and give a model a folder of its own.",
        )


def source_files(folder: Path, *, ours: bool = False) -> dict[PurePosixPath, Path]:
    """Return path below a folder → file to read, of all that runs; sorted by path.

    A link to a file of the same folder is that file. Raises :class:`BuildError` for links that
    lead elsewhere, for what is no file, and for more than somebody would call a model. Only in a
    folder of ``ours`` links may lead anywhere: some installers make a package of them.
    """
    home = Path("/") if ours else folder.resolve()
    count = _Count(folder, MAX_FILES, MAX_BYTES)
    found = {}
    for entry in _entries(folder, count, hidden=False):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            continue
        if not (entry.name in _SKIPPED_FILES or path.suffix in _SKIPPED_SUFFIXES):
            source = _file_of(entry, home)
            if source is not None:
                found[PurePosixPath(path.relative_to(folder).as_posix())] = source
    return dict(sorted(found.items()))


def check_context(folder: Path) -> None:
    """Raise :class:`BuildError` for a folder that is too much to be given to ``docker build``.

    Docker's client follows no link of it, but for the files that it reads itself.
    """
    for name in _READ_BY_DOCKER:
        if os.path.lexists(folder / name):
            read_text(folder / name)
    for _ in _entries(folder, _Count(folder, MAX_CONTEXT_FILES, MAX_CONTEXT_BYTES), hidden=True):
        pass


def read_text(path: Path) -> str:
    """Read a Dockerfile or a lock: regular, no link, bounded. Raises :class:`BuildError`."""
    try:
        if path.is_relative_to(PACKAGE):  # which may be made of links
            path = path.resolve()
        return read_regular(path, max_bytes=MAX_TEXT_BYTES, second_names="any").decode("utf-8")
    except UnicodeDecodeError as error:
        raise BuildError(f"{path} can't be read: it is not UTF-8 text") from error
    except OSError as error:
        raise BuildError(
            f"{path} can't be read: {error.strerror or error}",
            remedy="put a regular file in its place",
        ) from error


def _entries(folder: Path, count: _Count, *, hidden: bool) -> Iterator[os.DirEntry[str]]:
    """Yield what stands in a folder, at any depth. No link to a folder is followed."""
    waiting = [(str(folder), 0)]
    while waiting:
        place, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise count.error(f"more than {MAX_DEPTH} folders within each other")
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if not hidden and _stands_for_its_author(entry):
                        continue
                    count.add(entry)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
                    yield entry
        except OSError as error:
            raise BuildError(f"{place} can't be read: {error.strerror or error}") from error


def _stands_for_its_author(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return True
    return entry.name in _SKIPPED_FOLDERS and entry.is_dir(follow_symlinks=False)


def _file_of(entry: os.DirEntry[str], home: Path) -> Path | None:
    """Return the file to read; None for a link to a folder of the model, which is not followed."""
    path = Path(entry.path)
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        try:
            target = path.resolve(strict=True)
            mode = target.lstat().st_mode
        except (OSError, RuntimeError) as error:  # in a circle: which of them depends on Python
            raise _no_file(path, "a link to nothing") from error
        if not target.is_relative_to(home):
            raise _no_file(path, "a link out of the model's folder")
        path = target
        if stat.S_ISDIR(mode):
            return None
    if not stat.S_ISREG(mode):
        raise _no_file(Path(entry.path), describe_kind(mode))
    return path


def _no_file(path: Path, kind: str) -> BuildError:
    return BuildError(
        f"{path} is no regular file: it is {kind}", remedy="remove it, or put a file in its place"
    )
