"""Finds runs in a results folder, whatever else is there: nothing is followed out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from multiverse.contract import folders
from multiverse.contract.files import MAX_FILE_BYTES, open_in, read_in
from multiverse.contract.folders import opened_parent
from multiverse.errors import ResultsError
from multiverse.runs.folder import (
    AttemptFolder,
    ResultsFolder,
    RunFolder,
    check_name,
    is_run_id,
)
from multiverse.runs.record import RECORD_MAX_BYTES, RunRecord, invalid

#: The name of a run's record.
RECORD = RunFolder(Path()).record.name
#: ``<dataset>/<model>/<run-id>``, and one more for a folder that was copied into another one.
DEPTH, DEEPEST = 3, 4
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Place:
    """Something in a results folder, by the names that lead to it from there."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.names)

    def below(self, name: str) -> Place:
        return Place((*self.names, name))


@dataclass(frozen=True)
class FoundPlaces:
    """Folders that are, or were, published runs; links to folders, and folders that are closed."""

    runs: tuple[Place, ...]
    links: tuple[Place, ...]
    unreadable: tuple[Place, ...]


def find_runs(results: ResultsFolder) -> FoundPlaces:
    """Look for runs in a results folder. A link is not followed.

    A run is known by its record or by its name. Hidden folders and the attempts are left out.
    """
    runs: list[Place] = []
    links: list[Place] = []
    unreadable: list[Place] = []

    def look(place: Place, parent: int, name: str) -> None:
        try:
            folder = os.open(name, _FOLDER, dir_fd=parent)
        except OSError:
            unreadable.append(place)
            return
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
            for entry in found:
                judge(place.below(entry.name), folder, entry)
        finally:
            os.close(folder)

    def judge(place: Place, parent: int, entry: os.DirEntry[str]) -> None:
        if entry.name.startswith(".") or place.names == (results.attempts.name,):
            return
        if _is_link_to_folder(entry):
            links.append(place)
        elif not entry.is_dir(follow_symlinks=False):
            return
        elif is_run_id(entry.name) or _has_record(parent, entry.name):
            runs.append(place)
        elif len(place.names) < DEEPEST:
            look(place, parent, entry.name)

    with opened_parent(results.folder) as (parent, name):
        look(Place(()), parent, name)
    return FoundPlaces(tuple(runs), tuple(links), tuple(unreadable))


def published_runs(results: ResultsFolder) -> list[RunFolder]:
    """Return the runs that lie where runs belong, by dataset, model and run id."""
    places = find_runs(results).runs
    return [
        RunFolder(results.folder.joinpath(*place.names))
        for place in places
        if len(place.names) == DEPTH
    ]


def attempt_folders(results: ResultsFolder) -> Iterator[AttemptFolder]:
    """Find every attempt that left a folder, by run id and number. A link is not followed."""
    with suppress(OSError):  # what can't be looked into has none for us
        for run_id in filter(is_run_id, folders.folders_in(results.attempts)):
            with suppress(OSError):
                yield from results.attempts_of(run_id)


def _is_link_to_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether a link leads to a folder; one that leads to itself leads nowhere."""
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:
        return False


def _has_record(parent: int, folder: str) -> bool:
    """Return whether something is called a record in a folder; as good as absent if unreadable."""
    try:
        inner = os.open(folder, _FOLDER, dir_fd=parent)
    except OSError:
        return False
    try:
        os.stat(RECORD, dir_fd=inner, follow_symlinks=False)
    except OSError:
        return False
    finally:
        os.close(inner)
    return True


@contextmanager
def opened_folder(root: Path, names: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """Yield a descriptor of the folder that ``names`` lead to from ``root``; follow no link.

    With ``make``, folders that lack are made. Raises OSError for anything on the way that is not
    a folder, ValueError for a name that leads elsewhere.
    """
    for name in names:
        check_name(name)
    with folders.opened_folder(root.joinpath(*names), make=make) as descriptor:
        yield descriptor


def open_file(folder: int, name: str) -> int:
    """Return a descriptor of a regular file in an opened folder.

    Raises :class:`NotARegularFile` for anything else, also for a second name of a file that is not
    the folder's owner's, OSError, ValueError for a name that leads elsewhere.
    """
    check_name(name)
    return open_in(folder, name, max_bytes=MAX_FILE_BYTES)


def read_record(folder: int) -> RunRecord:
    """Return the record in an opened folder.

    Raises FileNotFoundError where there is none, :class:`ResultsError` where it can't be read.
    """
    try:
        content = read_in(folder, RECORD, max_bytes=RECORD_MAX_BYTES)
        return RunRecord.model_validate_json(content)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ResultsError(error.strerror or str(error)) from error
    except ValidationError as error:
        raise ResultsError(invalid(error)) from error
