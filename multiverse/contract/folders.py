"""Folders of others, reached by descriptor: listed, made, moved in and removed from.

A path is walked name by name and no symbolic link on it is followed, at any level. Whoever takes
a path from a user resolves it first (:func:`resolved`): a link that is met later was put there by
somebody else. The only exception is the name of an opened folder (:func:`name_of_opened`).
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import secrets
import stat
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

#: Opens a folder on the way to another one: the right to pass through it is enough.
_THROUGH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: What a path begins at: ``/``, the working folder, or a folder that a process has open.
_ROOT = _THROUGH & ~os.O_NOFOLLOW
_OPENED = re.compile(r"/proc/[0-9]+/fd/[0-9]+(?=/|$)")
#: What does not lead anywhere: there is no such thing, or something else is in the way.
NOT_THERE = (FileNotFoundError, NotADirectoryError)


class LinkOnTheWay(OSError):
    """A symbolic link stands on the way to a file or folder of somebody else."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.ELOOP, "a symbolic link, which is not followed", str(path))


def resolved(path: Path) -> Path:
    """Return a user's path without links and without ``..``; as it is where it has none.

    What does not exist yet is kept. Raises OSError for a circle of links.
    """
    steps = itertools.accumulate(path.parts, os.path.join)
    if ".." not in path.parts and not any(os.path.islink(step) for step in steps):  # noqa: PTH114
        return path
    return Path(os.path.realpath(path))


def temporary_root() -> Path:
    """Return the folder of temporary files, without the links that a user may have on the way."""
    return resolved(Path(tempfile.gettempdir()).absolute())


@contextmanager
def opened_folder(path: Path, *, make: bool = False) -> Iterator[int]:
    """Yield a descriptor of a folder; with ``make``, folders that lack are made.

    Raises :class:`LinkOnTheWay`, NotADirectoryError, FileNotFoundError, other OSErrors.
    """
    with opened_parent(path, make=make) as (parent, name):
        if make:
            _make(name, parent)
        descriptor = _enter(parent, name, path, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_parent(path: Path, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """Yield a descriptor of the folder that a path lies in, and its last name there.

    Good for opening, making, moving and removing by name, not for listing. Raises as
    :func:`opened_folder`.
    """
    root, names = _split(path)
    last = names[-1] if names else "."
    trail = _HERE.trail
    if trail is not None and not (make or trail.lent):
        with trail.reach(root, names[:-1]) as descriptor:
            yield descriptor, last
        return
    descriptor = os.open(root, _ROOT)
    try:
        for position, name in enumerate(names[:-1]):
            if make:
                _make(name, descriptor)
            inner = _enter_on_way(descriptor, root, names[: position + 1])
            os.close(descriptor)
            descriptor = inner
        yield descriptor, last
    finally:
        os.close(descriptor)


def name_of_opened(descriptor: int) -> Path:
    """Return a path by which other processes of this user reach a folder that this one has open.

    It leads there while this process lives, whatever stands where the folder was found. Raises
    FileNotFoundError where the system has no such names.
    """
    path = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    path.stat()
    return path


def _split(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return what a path begins at, and the names that lead on from there."""
    opened = _OPENED.match(str(path))
    if opened is not None:
        return opened[0], path.parts[5:]
    return path.anchor or ".", path.parts[1 if path.anchor else 0 :]


@contextmanager
def kept_open() -> Iterator[None]:
    """Keep the folders on the way to the last path open, for this thread's next path in a block.

    Whoever reads thousands of files that lie together walks to them once. A folder that is moved
    meanwhile is read where it is.
    """
    if _HERE.trail is not None:
        yield
        return
    _HERE.trail = trail = _Trail()
    try:
        yield
    finally:
        _HERE.trail = None
        trail.close()


class _Trail:
    """The opened folders on the way to one folder. ``lent`` while somebody uses the last one."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._opened: list[int] = []
        self.lent = False

    @contextmanager
    def reach(self, root: str, names: Sequence[str]) -> Iterator[int]:
        """Lend the descriptor of the folder that names lead to."""
        self._go(root, names)
        self.lent = True
        try:
            yield self._opened[-1]
        finally:
            self.lent = False

    def _go(self, root: str, names: Sequence[str]) -> None:
        wanted = [root, *names]
        if wanted == self._names:
            return
        pairs = zip(wanted, self._names, strict=False)
        common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        self.close(common)
        for position in range(common, len(wanted)):
            if position == 0:
                self._opened.append(os.open(root, _ROOT))
            else:
                self._opened.append(_enter_on_way(self._opened[-1], root, names[:position]))
            self._names.append(wanted[position])

    def close(self, common: int = 0) -> None:
        """Close all folders but the first ones."""
        while len(self._opened) > common:
            self._names.pop()
            os.close(self._opened.pop())


class _Here(threading.local):
    """What a thread keeps open, where it does."""

    trail: _Trail | None = None


_HERE = _Here()


def status(path: Path) -> os.stat_result | None:
    """Return the status of what a path leads to, which is not followed; None if there is nothing.

    Raises :class:`LinkOnTheWay` for a link before the last name, OSError.
    """
    try:
        with opened_parent(path) as (parent, name):
            return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except NOT_THERE:
        return None


def exists(path: Path) -> bool:
    """Return True if anything stands there, if only a link. What can't be looked at does not."""
    with suppress(OSError):
        return status(path) is not None
    return False


def is_file(path: Path) -> bool:
    """Return True for a regular file that is reached without a link."""
    with suppress(OSError):
        found = status(path)
        return found is not None and stat.S_ISREG(found.st_mode)
    return False


def is_folder(path: Path) -> bool:
    """Return True for a folder that is reached without a link."""
    with suppress(OSError):
        found = status(path)
        return found is not None and stat.S_ISDIR(found.st_mode)
    return False


def names_in(path: Path) -> list[str]:
    """Return the sorted names in a folder; none where there is no folder. Raises OSError."""
    try:
        with opened_folder(path) as folder:
            return sorted(os.listdir(folder))  # noqa: PTH208 - a descriptor is no path
    except NOT_THERE:
        return []


def folders_in(path: Path) -> list[str]:
    """Return the sorted names of the folders in a folder; a link is none. Raises OSError."""
    try:
        with opened_folder(path) as folder, os.scandir(folder) as entries:
            return sorted(item.name for item in entries if item.is_dir(follow_symlinks=False))
    except NOT_THERE:
        return []


def make_folder(path: Path, mode: int = 0o777, *, new: bool = False) -> None:
    """Make a folder, and those above it; one that is there is no error unless it must be ``new``.

    Raises FileExistsError, :class:`LinkOnTheWay`, other OSErrors.
    """
    with opened_parent(path, make=True) as (parent, name):
        if new:
            os.mkdir(name, mode, dir_fd=parent)
            return
        _make(name, parent, mode)
        os.close(_enter(parent, name, path, _THROUGH))


def move(path: Path, target: Path) -> None:
    """Give a file or folder another place on the same disk, in one step.

    A file there is replaced, so is an empty folder by a folder; nothing is followed. Raises
    OSError.
    """
    with opened_parent(path) as (parent, name), opened_parent(target) as (other, new):
        os.rename(name, new, src_dir_fd=parent, dst_dir_fd=other)


def remove_file(path: Path) -> None:
    """Remove a file, or a link but not what it leads to; none is no error. Raises OSError."""
    with suppress(FileNotFoundError), opened_parent(path) as (parent, name):
        os.unlink(name, dir_fd=parent)


def remove_empty_folder(path: Path) -> None:
    """Remove a folder that holds nothing. Raises OSError."""
    with opened_parent(path) as (parent, name):
        os.rmdir(name, dir_fd=parent)


def remove_tree(folder: Path | str, *, dir_fd: int | None = None) -> None:
    """Remove a folder and all that a model has made in it, as far as its owner may.

    Nothing is followed. Of any depth: folders within folders are first moved up to the top, so
    that neither the length of a path, nor the stack, nor the open files bound it. Modes that a
    model has taken away are given back. Whoever wrote it must have ended. A folder that is not
    there is no error; what can't be removed raises OSError. With ``dir_fd`` the folder is one in
    that opened folder.
    """
    if dir_fd is None:
        with suppress(FileNotFoundError), opened_parent(Path(folder)) as (parent, name):
            remove_tree(name, dir_fd=parent)
        return
    name = str(folder)
    try:
        top = _reopen(name, dir_fd)
    except FileNotFoundError:
        return
    try:
        moved = itertools.count()
        waiting = _empty(top, top, moved)
        while waiting:
            inner = waiting.pop()
            descriptor = _reopen(inner, top)
            try:
                waiting += _empty(descriptor, top, moved)
            finally:
                os.close(descriptor)
            os.rmdir(inner, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=dir_fd)


def open_closed(name: str, parent: int) -> int:
    """Open a folder for reading, also one that its owner has closed to everybody.

    Through a descriptor of the folder itself, because a link may stand under its name by then.
    Raises OSError.
    """
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        return _unlocked(name, parent)


def _unlocked(name: str, parent: int) -> int:
    """Give the owner of a folder all rights on it, and open it."""
    if not hasattr(os, "O_PATH"):  # not Linux, which may change modes without following links
        with suppress(PermissionError):
            os.chmod(name, 0o700, dir_fd=parent, follow_symlinks=False)
        return os.open(name, _FOLDER, dir_fd=parent)
    itself = os.open(name, _THROUGH, dir_fd=parent)
    try:
        with suppress(PermissionError):  # another owner's: what can't be done there is said later
            os.chmod(f"/dev/fd/{itself}", 0o700)  # noqa: PTH101 - of a descriptor
        return os.open(".", _FOLDER, dir_fd=itself)
    finally:
        os.close(itself)


def _reopen(name: str, parent: int) -> int:
    """Open a folder from which things will be removed."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    return _unlocked(name, parent)


def _empty(folder: int, top: int, moved: Iterator[int]) -> list[str]:
    """Remove the files of a folder, and move its folders up to the top; their new names."""
    found = []
    for name in os.listdir(folder):
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
            continue
        new = f".removed-{secrets.token_hex(8)}-{next(moved)}"  # no name that a model has taken
        with suppress(PermissionError):  # one that is moved is written to: its ".."
            os.close(_unlocked(name, folder))
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
        found.append(new)
    return found


def _enter(parent: int, name: str, path: Path, flags: int) -> int:
    """Open a folder in an opened one; say so where its name is that of a link."""
    if name == "..":
        raise ValueError(f"{str(path)!r:.200} leads upwards")
    try:
        return os.open(name, flags, dir_fd=parent)
    except (NotADirectoryError, OSError) as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        with suppress(FileNotFoundError):
            if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise LinkOnTheWay(path) from error
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from error


def _enter_on_way(parent: int, root: str, names: Sequence[str]) -> int:
    """Open the folder with the last of some names on the way to another one."""
    if names[-1] != "..":
        with suppress(OSError):  # again below, for the right words
            return os.open(names[-1], _THROUGH, dir_fd=parent)
    return _enter(parent, names[-1], Path(root, *names), _THROUGH)


def _make(name: str, parent: int, mode: int = 0o777) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)
