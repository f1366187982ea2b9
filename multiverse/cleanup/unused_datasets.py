"""Versions of registered datasets that no slug stands for, and no run of a results folder used."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from multiverse.cleanup.references import References
from multiverse.cleanup.removable import (
    CleanupGroup,
    Entry,
    Item,
    Kept,
    NotRemoved,
    names_in,
    occupied,
    put_aside,
    remove_folder,
)
from multiverse.errors import DatasetError
from multiverse.exclusive import exclusive
from multiverse.registry.datasets import DatasetFolder
from multiverse.specs.names import is_slug

DATASETS = "datasets"
_NEW = ".new-"


def unused_datasets(home: Path, seen: References) -> Iterator[Entry]:
    """Yield old versions below ``home``, and what killed registrations left.

    Where a record of the results folder can't be read, nobody knows which it needs: all stay.
    """
    yield from put_aside(home, [DATASETS], CleanupGroup.DATASETS)
    for slug in names_in(home, DATASETS):
        if not is_slug(slug) or (home / DATASETS / slug).is_symlink():
            continue
        folder = DatasetFolder(slug, home)
        for name in names_in(home, DATASETS, slug):
            if name.startswith(_NEW):
                yield _item(folder, name, "left by a registration that was killed")
        yield from _versions(folder, seen)


def _versions(folder: DatasetFolder, seen: References) -> Iterator[Entry]:
    try:
        current = folder.current_version()
    except DatasetError as error:
        yield Kept(CleanupGroup.DATASETS, folder.slug, str(error))
        return
    for version in sorted({*folder.versions()} - {current}):
        name = f"{DATASETS}/{folder.slug}/{version}"
        if folder.version(version).is_symlink():
            continue
        if seen.unreadable:
            why = f"a run that can't be read may need it: {seen.unreadable[0]}"
            yield Kept(CleanupGroup.DATASETS, name, why)
            continue
        try:
            record = folder.read(version).record
        except DatasetError:
            yield _item(folder, version, "a damaged version that the slug does not stand for")
            continue
        if record.fingerprint in seen.fingerprints:
            yield Kept(CleanupGroup.DATASETS, name, "runs of this results folder used it")
        else:
            why = f"replaced version of {folder.slug}, registered {record.registered_at[:10]}"
            yield _item(folder, version, why)


def _item(folder: DatasetFolder, name: str, why: str) -> Item:
    path = folder.path / name
    place = f"{DATASETS}/{folder.slug}/{name}"
    return Item(CleanupGroup.DATASETS, place, why, occupied(path), partial(_remove, folder, name))


def _remove(folder: DatasetFolder, name: str) -> None:
    """Remove it under the slug's lock, unless the slug has come to stand for it."""
    try:
        with exclusive(folder.lock, seconds=0):
            if folder.current.exists() and folder.current_version() == name:
                raise NotRemoved("the slug stands for it now")
            remove_folder(folder.home, (DATASETS, folder.slug, name), [DATASETS])
    except TimeoutError as error:
        raise NotRemoved("a registration is going on") from error
