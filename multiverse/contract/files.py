"""Files, on both sides of the boundary: written aside, hashed, and read without trust.

What may be read while it is written is written aside and put in place by one rename. What somebody
else wrote is trusted neither in its kind nor in its size, and reached without following a link.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from multiverse.contract.folders import open_closed, opened_parent

#: No file of a model's output, or of ours, may be larger.
MAX_FILE_BYTES = 16 * 1024**3
#: Bytes that are read at a time; hashing releases Python's lock for blocks of this size.
BLOCK = 1024 * 1024

#: What is read of a file at a time while somebody else writes it.
READ_BYTES = 256 * 1024

#: What is read of a file of text at a time: of most it is all.
TEXT_BYTES = 64 * 1024

#: Hexadecimal digits that make the name of a file written aside its own.
ASIDE_DIGITS = 16
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


#: Whether a file may have a second hard link. ``own``, where file and folder have one owner, as
#: backups make them: whoever shares a folder must not put a reader's file into it. ``none`` of what
#: a model of this user writes; ``any`` of sources, which package managers link to their caches.
SecondNames = Literal["none", "own", "any"]


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

    A reader sees the old content or the new, never a part. What stands there is replaced, a link
    as well, and no link on the way is followed. The caller's umask is kept. The file is synced
    first, unless it need not be ``durable``: then a power cut may leave an empty one. Raises
    OSError.
    """
    with _aside(path, durable) as (parent, new, stream):
        stream.close()
        # By its folder's descriptor: nobody can exchange the folder while it is written.
        yield _by_descriptor(parent, path.parent) / new


@contextmanager
def stream_aside(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Yield the stream of a new file as :func:`written_aside` does.

    For folders that are shared: no name is opened a second time, under which somebody else could
    have put a link in between, to a file of ours.
    """
    with _aside(path, durable) as (_, _, stream):
        yield stream
        stream.flush()


@contextmanager
def _aside(path: Path, durable: bool) -> Iterator[tuple[int, str, BinaryIO]]:
    """Yield the folder, name and stream of a new file that replaces ``path`` in the end."""
    with opened_parent(path) as (parent, name):
        new = f".{name}.{secrets.token_hex(ASIDE_DIGITS // 2)}{path.suffix}"
        try:
            descriptor = os.open(new, _NEW, 0o666, dir_fd=parent)
        except OSError as error:  # of the file that was to be written, not of the one beside it
            raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from error
        try:
            with os.fdopen(descriptor, "w+b") as stream:
                yield parent, new, stream
            if durable:
                _sync_in(parent, new)
            os.rename(new, name, src_dir_fd=parent, dst_dir_fd=parent)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(new, dir_fd=parent)


def is_aside(name: str, of: str) -> bool:
    """Return True for the name of a file that was written aside to replace the file ``of``."""
    # Eight letters and digits: by earlier versions, the suffix not always.
    own = rf"[0-9a-f]{{{ASIDE_DIGITS}}}|[a-z0-9_]{{8}}"
    pattern = rf"\.{re.escape(of)}\.({own})({re.escape(Path(of).suffix)})?"
    return re.fullmatch(pattern, name) is not None


def _by_descriptor(folder: int, path: Path) -> Path:
    """Return a path to an opened folder which holds for this process."""
    place = Path(f"/proc/self/fd/{folder}")
    return place if place.exists() else path


def write_aside(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Replace a file by ``content`` (text: UTF-8) in one step. Raises OSError."""
    data = content.encode() if isinstance(content, str) else content
    with stream_aside(path, durable=durable) as aside:
        aside.write(data)


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
    with opened_parent(path) as (parent, name):
        _sync_in(parent, name)


def _sync_in(parent: int, name: str) -> None:
    descriptor = os.open(name, _READ, dir_fd=parent)
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
    with opened_parent(path) as (parent, name):
        return _judge(name, os.stat(name, dir_fd=parent, follow_symlinks=False), max_bytes)


def open_regular(
    path: Path, *, max_bytes: int | None = None, second_names: SecondNames = "own"
) -> int:
    """Return a descriptor of a regular file, for reading.

    No link is followed at any level of the path, no FIFO waited on, no device opened. Raises as
    :func:`check_regular`, and :class:`LinkOnTheWay`. See :data:`SecondNames`.
    """
    with opened_parent(path) as (parent, name):
        return open_in(parent, name, max_bytes=max_bytes, second_names=second_names)


def open_in(
    folder: int, name: str, *, max_bytes: int | None = None, second_names: SecondNames = "own"
) -> int:
    """Return a descriptor of a regular file in an opened folder, as :func:`open_regular` does."""
    # Looked at first: to open a device or a FIFO may already do something.
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    asked = second_names == "own" and found.st_nlink > 1
    owner = os.fstat(folder).st_uid if asked else None
    _judge(name, found, max_bytes, owner, second_names)
    descriptor = os.open(name, _READ, dir_fd=folder)
    try:
        _judge(name, os.fstat(descriptor), max_bytes, owner, second_names)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(path: Path, *, max_bytes: int, second_names: SecondNames = "own") -> bytes:
    """Read the content of a regular file. Raises as :func:`open_regular`."""
    with opened_parent(path) as (parent, name):
        return read_in(parent, name, max_bytes=max_bytes, second_names=second_names)


def read_in(folder: int, name: str, *, max_bytes: int, second_names: SecondNames = "own") -> bytes:
    """Read a regular file in an opened folder. Raises as :func:`open_regular`."""
    descriptor = open_in(folder, name, max_bytes=max_bytes, second_names=second_names)
    content = bytearray()
    try:
        while block := os.read(descriptor, TEXT_BYTES):
            content += block
            if len(content) > max_bytes:
                raise FileTooLarge(f"{name} has more than {max_bytes:,} bytes")
    finally:
        os.close(descriptor)
    return bytes(content)


def read_end(path: Path, max_bytes: int) -> bytes:
    """Read the last ``max_bytes`` of a regular file, or all. Raises as :func:`open_regular`."""
    with os.fdopen(open_regular(path), "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - max_bytes))
        return stream.read(max_bytes)


def open_new(path: Path) -> int:
    """Return a descriptor of a new file, for writing; what has its name goes. Raises OSError.

    A link is removed and not followed; a folder is not removed.
    """
    with opened_parent(path) as (parent, name):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
        return os.open(name, _NEW, 0o666, dir_fd=parent)


def regular_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a regular file. Raises as :func:`open_regular`.

    A file of more than :data:`MAX_FILE_BYTES` is none of ours, and reading it might not end.
    """
    with os.fdopen(open_regular(path, max_bytes=MAX_FILE_BYTES), "rb", buffering=0) as stream:
        return stream_sha256(stream)


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
        try:
            descriptor = open_regular(self._path, second_names="none")
        except OSError:
            return b""
        try:
            content = os.pread(descriptor, self._block, self._offset)
        finally:
            os.close(descriptor)
        self._offset += len(content)
        return content


def make_accessible(folder: Path) -> None:
    """Give the owner back what a model may have taken away: modes of its folder and files.

    Only the folder itself and regular files with one name in it; nothing is followed. Whoever
    wrote them must have ended. Raises OSError.
    """
    with opened_parent(folder) as (parent, name):
        descriptor = open_closed(name, parent)
    try:
        os.fchmod(descriptor, 0o700)
        for name in os.listdir(descriptor):  # noqa: PTH208 - a descriptor is no path
            set_mode(name, descriptor, 0o600)
    finally:
        os.close(descriptor)


def set_mode(name: str, folder: int, mode: int) -> None:
    """Give a regular file with one name in an opened folder a mode; nothing else is touched.

    What was looked at is what is changed, although somebody may put a link in its place in
    between. Raises OSError.
    """
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        return
    if not hasattr(os, "O_PATH"):  # not Linux, which may change modes without following links
        os.chmod(name, mode, dir_fd=folder, follow_symlinks=False)
        return
    itself = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        found = os.fstat(itself)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            os.chmod(f"/dev/fd/{itself}", mode)  # noqa: PTH101 - of a descriptor
    finally:
        os.close(itself)


def _judge(
    name: str,
    status: os.stat_result,
    max_bytes: int | None,
    folder_owner: int | None = None,
    second_names: SecondNames = "none",
) -> os.stat_result:
    if not stat.S_ISREG(status.st_mode):
        raise NotARegularFile(f"{name} is {describe_kind(status.st_mode)}, not a file")
    owned = status.st_uid == folder_owner
    if status.st_nlink > 1 and second_names != "any" and not owned:
        raise NotARegularFile(f"{name} is a hard link to another file")
    if max_bytes is not None and status.st_size > max_bytes:
        raise FileTooLarge(
            f"{name} has {status.st_size:,} bytes, more than the {max_bytes:,} allowed"
        )
    return status
