"""Kinds of things that a stranger can put in the place of a file or of a folder."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Put something at a path, from which all has been removed; the other path is what looks like it
#: in somebody's own folder.
Put = Callable[[Path, Path], None]
GIANT = 200 * 1024**3
NOBODY = 65534


@dataclass(frozen=True)
class Kind:
    """A kind. ``spoils``: what was there is kept, and only changed.

    ``content``: a file like others, unless somebody reads what is in it.
    ``known_by_opening``: that it is one can be seen of an opened file only. Where a folder of
    somebody else can be made (as root), it may not be read.
    ``of_files``, ``of_folders``: what it can stand for. ``bare``: says nothing to a user who may
    pass over modes. ``privileged``: only root can make it.
    """

    name: str
    put: Put
    spoils: bool = False
    content: bool = False
    known_by_opening: bool = False
    of_files: bool = True
    of_folders: bool = True
    bare: bool = False
    privileged: bool = False


def _link_to_file(path: Path, lookalike: Path) -> None:
    """To the file that is looked for, or to any where a folder is looked for."""
    path.symlink_to(lookalike if lookalike.is_file() else lookalike.parent / "thesis.txt")


def _link_to_folder(path: Path, lookalike: Path) -> None:
    path.symlink_to(lookalike if lookalike.is_dir() else lookalike.parent)


def _dangling(path: Path, lookalike: Path) -> None:
    """Whoever writes through it makes a file in somebody's folder."""
    path.symlink_to(lookalike.parent / "made-through-a-link")


def _hard_link(path: Path, lookalike: Path) -> None:
    """Of a file of ours in a stranger's folder: the second name of his own file may be read."""
    os.link(lookalike if lookalike.is_file() else lookalike.parent / "thesis.txt", path)
    if os.geteuid() == 0:
        os.chown(path.parent, NOBODY, NOBODY)
        path.parent.chmod(0o755)


def _endless(path: Path, _: Path) -> None:
    path.symlink_to("/dev/zero")


def _to_itself(path: Path, _: Path) -> None:
    path.symlink_to(path.name)


def _fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


def _device(path: Path, _: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


def _socket(path: Path, _: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)  # an address holds 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)


def _giant(path: Path, _: Path) -> None:
    path.touch()
    os.truncate(path, GIANT)


def _garbage(path: Path, _: Path) -> None:
    path.write_bytes(bytes(range(256)) * 40)


def _empty(path: Path, _: Path) -> None:
    path.touch()


def _brackets(path: Path, _: Path) -> None:
    path.write_text("[" * 100_000)


def _other_type(path: Path, _: Path) -> None:
    path.write_text('{"jobs": 3, "evaluations": {"a": null}, "record": [1, "two", NaN]}')


def _folder(path: Path, _: Path) -> None:
    path.mkdir()
    (path / "inner").write_text("theirs")


def _closed(path: Path, _: Path) -> None:
    path.chmod(0)


def _of_another(path: Path, _: Path) -> None:
    for inner in (path, *path.rglob("*")):
        os.chown(inner, NOBODY, NOBODY)
    path.chmod(0o700 if path.is_dir() else 0o600)


KINDS = (
    Kind("link-to-a-file", _link_to_file),
    Kind("link-to-a-folder", _link_to_folder),
    Kind("dangling-link", _dangling),
    Kind("hard-link", _hard_link, of_folders=False, known_by_opening=True),
    Kind("link-to-zero", _endless),
    Kind("link-to-itself", _to_itself),
    Kind("fifo", _fifo),
    Kind("device", _device, privileged=True),
    Kind("socket", _socket),
    Kind("giant", _giant, of_folders=False),
    Kind("garbage", _garbage, of_folders=False, content=True),
    Kind("empty-file", _empty),
    Kind("brackets", _brackets, of_folders=False, content=True),
    Kind("other-type", _other_type, of_folders=False, content=True),
    Kind("folder", _folder, of_folders=False),
    Kind("closed", _closed, spoils=True, bare=True),
    Kind("of-another-user", _of_another, spoils=True, bare=True, privileged=True),
)


def remove(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
