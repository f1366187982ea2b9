"""Files, on both sides of the boundary: written aside, hashed, and read without trust.

What may be read while it is written is written aside and put in place by one rename. What somebody
else wrote is trusted neither in its kind nor in its size.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

#: Bytes that are read at a time; hashing releases Python's lock for blocks of this size.
BLOCK = 1024 * 1024

#: What is read of a file at a time while somebody else writes it.
READ_BYTES = 256 * 1024


class NotARegularFile(OSError):
    """A symlink, FIFO, device, socket or folder stands where a file was expected."""


class FileTooLarge(OSError):
    """A file is larger than its place in the contract allows."""


class Readable(Protocol):
    """A binary stream, as far as hashing it needs one."""

    def read(self, size: int, /) -> bytes | None: ...


@contextmanager
def written_aside(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a new file beside ``path``, with its suffix, that replaces it if the block succeeds.

    A reader sees the old content or the new, never a part. The file is synced first, unless it
    need not be ``durable``: then a power cut may leave an empty one. Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent
    )
    os.close(descriptor)
    aside = Path(name)
    try:
        yield aside
        if durable:
            sync(aside)
        aside.chmod(0o644)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_aside(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Replace a file by ``content`` (text: UTF-8) in one step. Raises OSError."""
    data = content.encode() if isinstance(content, str) else content
    with written_aside(path, durable=durable) as aside:
        aside.write_bytes(data)


def sync(*paths: Path) -> None:
    """Make files, or the entries of folders, survive a power cut. Raises OSError.

    All at the same time, because they then share commits of the file system's journal: one after
    the other, a run's files take four times as long.
    """
    if len(paths) == 1:
        _sync(paths[0])
        return
    with ThreadPoolExecutor(max_workers=len(paths)) as pool:
        list(pool.map(_sync, paths))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal digits. Raises OSError."""
    with path.open("rb", buffering=0) as stream:
        return stream_sha256(stream)


def stream_sha256(stream: Readable, tell: Callable[[bytes], object] | None = None) -> str:
    """Return the SHA-256 (hex) of what is left of a stream; ``tell`` is given every block of it."""
    total = hashlib.sha256()
    while block := stream.read(BLOCK):
        total.update(block)
        if tell is not None:
            tell(block)
    return total.hexdigest()


def describe_kind(mode: int) -> str:
    """Return the word for a file's kind (``st_mode``), for messages."""
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFDIR: "a folder",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
    }
    return kinds.get(stat.S_IFMT(mode), "not a regular file")


def check_regular(path: Path, *, max_bytes: int) -> os.stat_result:
    """Return the file's status, if it is a regular file with one name and of allowed size.

    Raises FileNotFoundError, :class:`NotARegularFile` or :class:`FileTooLarge`.
    A second hard link is refused: the other name may lie outside the folder.
    """
    return _judge(path, path.lstat(), max_bytes)


def read_regular(path: Path, *, max_bytes: int) -> bytes:
    """Read the content of a regular file; never follow a link, never wait on a FIFO.

    Raises as :func:`check_regular`.
    """
    _judge(path, path.lstat(), max_bytes)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        _judge(path, os.fstat(stream.fileno()), max_bytes)
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise FileTooLarge(f"{path.name} has more than {max_bytes:,} bytes")
    return content


def read_source(path: Path, *, max_bytes: int) -> bytes:
    """Read a file of somebody's sources as :func:`read_regular` does, by whatever number of names.

    Package managers install hard links to their caches, and what a source says is shown to nobody
    but whoever runs it. Raises as :func:`check_regular`.
    """
    _judge(path, path.lstat(), max_bytes, one_name=False)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        _judge(path, os.fstat(stream.fileno()), max_bytes, one_name=False)
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise FileTooLarge(f"{path.name} has more than {max_bytes:,} bytes")
    return content


class Tail:
    """Reads a file of lines while somebody else writes it, without trusting what it is.

    Follows no link, soft or hard, and waits on no FIFO. Of each look at most ``block`` bytes
    are read: a file that grows without end can't hold the reader up. A longer line is dropped.
    """

    def __init__(self, path: Path, block: int = READ_BYTES) -> None:
        self._path = path
        self._block = block
        self._offset = 0
        self._rest = b""

    def look(self) -> list[bytes]:
        """Return the whole lines that were added since the last look."""
        self._rest += self._new_bytes()
        *lines, self._rest = self._rest.split(b"\n")
        if len(self._rest) > self._block:
            self._rest = b""
        return lines

    def _new_bytes(self) -> bytes:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags)
        except OSError:
            return b""
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                return b""
            content = os.pread(descriptor, self._block, self._offset)
        finally:
            os.close(descriptor)
        self._offset += len(content)
        return content


def make_accessible(folder: Path) -> None:
    """Give the owner back what a model may have taken away: modes of its folder and files.

    Only the folder itself and regular files with one name in it; nothing is followed. Whoever
    wrote them must have ended.
    """
    folder.chmod(0o700)
    for path in folder.iterdir():
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            path.chmod(0o600)


def remove_tree(folder: Path | str, *, dir_fd: int | None = None) -> None:
    """Remove a folder and all that a model has made in it, as far as its owner may.

    Nothing is followed. Of any depth: folders within folders are first moved up to the top, so
    that neither the length of a path, nor the stack, nor the open files bound it. Modes that a
    model has taken away are given back. Whoever wrote it must have ended. A folder that is not
    there is no error; what can't be removed raises OSError. With ``dir_fd`` the folder is one in
    that opened folder.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        if not stat.S_ISDIR(os.lstat(folder, dir_fd=dir_fd).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
        os.chmod(folder, 0o700, dir_fd=dir_fd)
        top = os.open(folder, flags, dir_fd=dir_fd)
    except FileNotFoundError:
        return
    try:
        moved = itertools.count()
        waiting = _empty(top, top, moved)
        while waiting:
            name = waiting.pop()
            os.chmod(name, 0o700, dir_fd=top)
            descriptor = os.open(name, flags, dir_fd=top)
            try:
                waiting += _empty(descriptor, top, moved)
            finally:
                os.close(descriptor)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(folder, dir_fd=dir_fd)


def _empty(folder: int, top: int, moved: Iterator[int]) -> list[str]:
    """Remove the files of a folder, and move its folders up to the top; their new names."""
    found = []
    for name in os.listdir(folder):
        if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            os.unlink(name, dir_fd=folder)
            continue
        new = f".removed-{secrets.token_hex(8)}-{next(moved)}"  # no name that a model has taken
        os.chmod(name, 0o700, dir_fd=folder)  # a folder that is moved is written to: its ".."
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
        found.append(new)
    return found


def _judge(
    path: Path, status: os.stat_result, max_bytes: int, *, one_name: bool = True
) -> os.stat_result:
    if not stat.S_ISREG(status.st_mode):
        raise NotARegularFile(f"{path.name} is {describe_kind(status.st_mode)}, not a file")
    if one_name and status.st_nlink > 1:
        raise NotARegularFile(f"{path.name} is a hard link to another file")
    if status.st_size > max_bytes:
        raise FileTooLarge(
            f"{path.name} has {status.st_size:,} bytes, more than the {max_bytes:,} allowed"
        )
    return status
