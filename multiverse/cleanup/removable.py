"""Removable things: their kind, the reason, their size, and their removal."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

from multiverse.contract import folders
from multiverse.contract.folders import remove_tree, status
from multiverse.runs.places import opened_folder

#: Where things are put aside before they are removed. Two folders deep, so that nothing that
#: looks for attempts or runs comes upon what a model has written.
ASIDE = (".removing", "all")


class CleanupGroup(StrEnum):
    """A group that is listed together and chosen together on the command line."""

    ATTEMPTS = "attempts"
    LEFTOVERS = "leftovers"
    PUBLISHED = "published runs"
    IMAGES = "images"
    ENVIRONMENTS = "environments"
    DATASETS = "datasets"


class NotRemoved(Exception):
    """Something that was listed stays after all; says why."""


@dataclass(frozen=True)
class Item:
    """Something that can go. ``size``: bytes on the disk that removing it gives back.

    ``remove`` raises :class:`NotRemoved` or OSError.
    """

    group: CleanupGroup
    name: str
    why: str
    size: int
    remove: Callable[[], None] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Kept:
    """Something that somebody may have expected to go, and why it stays."""

    group: CleanupGroup
    name: str
    why: str


#: What a search yields, one by one.
Entry = Item | Kept


def occupied(path: Path) -> int:
    """Return the bytes on disk of a file, or of all below a folder; no link is followed.

    A file with several names counts only where all of them lie here: removing one of two names
    frees nothing.
    """
    total, seen = 0, dict[tuple[int, int], int]()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        try:
            found = status(current)
            if found is None:
                continue
            if stat.S_ISDIR(found.st_mode):
                total += found.st_blocks * 512
                waiting += map(current.joinpath, folders.names_in(current))
                continue
        except OSError:  # not ours to read
            continue
        identity = (found.st_dev, found.st_ino)
        seen[identity] = seen.get(identity, 0) + 1
        if seen[identity] == found.st_nlink:
            total += found.st_blocks * 512
    return total


def remove_folder(root: Path, names: Sequence[str], base: Sequence[str]) -> None:
    """Remove the folder ``root/names``: one rename puts it aside, so that it is whole or gone.

    It is put aside in the folder ``root/base``, which is on the same disk. No link is followed.
    Raises OSError, ValueError for a name that leads elsewhere.
    """
    name = uuid.uuid4().hex
    with (
        opened_folder(root, names[:-1]) as parent,
        opened_folder(root, (*base, *ASIDE), make=True) as target,
    ):
        os.rename(names[-1], name, src_dir_fd=parent, dst_dir_fd=target)
        _delete(target, name)
    _remove_aside(root, base)


def put_aside(root: Path, base: Sequence[str], group: CleanupGroup) -> Iterator[Item]:
    """Yield what an interrupted removal below ``root/base`` has put aside."""
    aside = (*base, *ASIDE)
    for name in names_in(root, *aside):
        place = "/".join((*aside, name))
        remove = partial(_finish, root, base, name)
        yield Item(group, place, "a removal that was stopped", occupied(root / place), remove)


def delete_folder(root: Path, name: str) -> None:
    """Delete the folder ``root/name``; no link is followed. Raises OSError."""
    with opened_folder(root, ()) as parent:
        _delete(parent, name)


def names_in(root: Path, *names: str) -> list[str]:
    """Return the names in a folder; none if it is absent or a link."""
    try:
        return folders.names_in(root.joinpath(*names))
    except OSError:
        return []


def _finish(root: Path, base: Sequence[str], name: str) -> None:
    with opened_folder(root, (*base, *ASIDE)) as target:
        _delete(target, name)
    _remove_aside(root, base)


def _delete(parent: int, name: str) -> None:
    """Delete a folder in an opened one, also what its owner may not read or enter any more."""
    remove_tree(name, dir_fd=parent)


def _remove_aside(root: Path, base: Sequence[str]) -> None:
    """Remove the folders in which things are put aside, if nothing is there any more."""
    outer, inner = ASIDE
    try:
        with opened_folder(root, (*base, outer)) as parent:
            os.rmdir(inner, dir_fd=parent)
        with opened_folder(root, base) as parent:
            os.rmdir(outer, dir_fd=parent)
    except OSError:
        return
