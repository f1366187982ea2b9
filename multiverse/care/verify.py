"""Whether published runs are what they were on the day they were published.

The record of a run names the SHA-256 of each of its files, and the folder's name is the hash of
what was run: together they tell of every change, but for the parts of ``run.json`` that say how it
went (times, memory, host), which nothing can be compared with.
"""

from __future__ import annotations

import csv
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from multiverse.care.places import (
    RECORD,
    Place,
    check_name,
    check_results,
    find_runs,
    open_file,
    opened_folder,
    read_record,
)
from multiverse.contract.files import NotARegularFile
from multiverse.errors import ResultsError
from multiverse.plan.job import Identity
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.record import RunRecord, RunState

#: Bytes that are read at a time; hashing releases Python's lock for blocks of this size.
BLOCK = 1024 * 1024
#: A second thread reads while the first one hashes; more would only compete for the disk.
THREADS = 2
_ALGORITHM = "sha256:"


class Kind(StrEnum):
    """How a run differs from its record, or from its place."""

    CHANGED = "changed"
    MISSING = "missing"
    UNEXPECTED = "unexpected"
    DAMAGED = "damaged"
    WRONG_NAME = "wrong name"
    WRONG_IDENTITY = "wrong identity"
    WRONG_PLACE = "wrong place"


@dataclass(frozen=True)
class Difference:
    """One finding. ``place`` is the file or folder, from the results folder on."""

    kind: Kind
    place: str
    message: str


@dataclass(frozen=True)
class Verification:
    """What was looked at, in numbers, and every difference, in the order of the folders."""

    runs: int
    files: int
    bytes: int
    seconds: float
    differences: tuple[Difference, ...]


#: Told how many bytes there are in all, and then each time how many more have been read.
Progress = Callable[[int, int], None]


def _unwatched(_total: int, _more: int) -> None:
    """Nobody looks."""


def verify_results(results: ResultsFolder, progress: Progress = _unwatched) -> Verification:
    """Recompute the checksum of every published file and compare all that can be compared.

    Links are not followed; nothing is written. Raises :class:`ResultsError` where there is no
    such folder.
    """
    check_results(results)
    began = time.monotonic()
    places, links = find_runs(results)
    differences = [
        Difference(Kind.UNEXPECTED, str(link), "a symbolic link to a folder: not followed")
        for link in links
    ]
    count = _Count(sum(_size(results, place) for place in places), progress)
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for found in pool.map(lambda place: _verify(results, place, count), places):
                differences += found
        except BaseException:
            count.stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    differences += _lost(results, places)
    seconds = time.monotonic() - began
    return Verification(len(places), count.files, count.bytes, seconds, tuple(differences))


class _Count:
    """What has been read by all threads."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.stopped = threading.Event()
        self.files = 0
        self.bytes = 0
        self._total = total
        self._progress = progress
        self._lock = threading.Lock()
        progress(total, 0)

    def add(self, files: int, number: int) -> None:
        with self._lock:
            self.files += files
            self.bytes += number
            self._progress(self._total, number)


def _size(results: ResultsFolder, place: Place) -> int:
    try:
        with opened_folder(results.folder, place.names) as folder, os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:  # it is named when it is read
        return 0


def _verify(results: ResultsFolder, place: Place, count: _Count) -> list[Difference]:
    """All that is to be said of one run; of its new content if it is replaced meanwhile."""
    while True:
        try:
            with opened_folder(results.folder, place.names) as folder:
                found = list(_differences(folder, place, count))
                if not found or _is_there(results, place, folder):
                    return found
        except OSError as error:
            message = f"the run can't be read: {error.strerror or error}"
            return [Difference(Kind.MISSING, str(place), message)]


def _is_there(results: ResultsFolder, place: Place, folder: int) -> bool:
    seen, now = os.fstat(folder), results.folder.joinpath(*place.names).lstat()
    return (seen.st_dev, seen.st_ino) == (now.st_dev, now.st_ino)


def _differences(folder: int, place: Place, count: _Count) -> Iterator[Difference]:
    here = set(os.listdir(folder))
    record_place = str(place.below(RECORD))
    try:
        record = read_record(folder)
    except FileNotFoundError:
        yield Difference(Kind.MISSING, record_place, "the run has no record")
        return
    except ResultsError as error:
        yield Difference(Kind.DAMAGED, record_place, f"the record can't be read: {error}")
        return
    count.add(1, os.stat(RECORD, dir_fd=folder).st_size)
    yield from _of_record(record, place)
    yield from _of_files(folder, place, record.checksums, count)
    for name in sorted(here - {RECORD, *record.checksums}):
        kind = "a folder" if _is_folder(folder, name) else "a file"
        message = f"{kind} that the record does not name"
        yield Difference(Kind.UNEXPECTED, str(place.below(name)), message)


def _of_record(record: RunRecord, place: Place) -> Iterator[Difference]:
    """Name, place and identity of a run."""
    where = str(place)
    if record.state is not RunState.COMPLETE or not record.checksums:
        what = f"is {record.state.value}" if record.checksums else "names no file"
        message = f"the record of a published run {what}"
        yield Difference(Kind.DAMAGED, str(place.below(RECORD)), message)
    if place.names[-1] != record.run_id:
        message = f"the record is that of run {record.run_id}"
        yield Difference(Kind.WRONG_NAME, where, message)
    expected = Place((record.dataset, record.model, place.names[-1]))
    if place != expected:
        message = f"the record says {record.dataset}/{record.model}"
        yield Difference(Kind.WRONG_PLACE, where, message)
    for message in _of_identity(record):
        yield Difference(Kind.WRONG_IDENTITY, str(place.below(RECORD)), message)


def _of_identity(record: RunRecord) -> Iterator[str]:
    try:
        identity = Identity(**record.identity)
        run_id = identity.run_id
    except (TypeError, ValueError):
        yield "the recorded identity is not that of a run"
        return
    if run_id != record.run_id:
        yield f"the recorded identity is that of run {run_id}, not of {record.run_id}"
    software = record.image.digest if record.image else record.environment_lock
    said: Mapping[str, Any] = {
        "dataset": record.dataset_fingerprint,
        "model": record.model,
        "model_version": record.model_version,
        "runtime": software,
        "parameters": record.parameters,
        "preprocessing": record.preprocessing,
        "seed": record.seed,
    }
    for name, value in said.items():
        if value != getattr(identity, name):
            yield f"{name} is not the same in the record and in its identity"


def _of_files(
    folder: int, place: Place, checksums: Mapping[str, str], count: _Count
) -> Iterator[Difference]:
    for name, expected in sorted(checksums.items()):
        where = str(place.below(name))
        try:
            found = _checksum(folder, name, count)
        except FileNotFoundError:
            yield Difference(Kind.MISSING, where, "the file is not there")
        except ValueError:
            message = f"the record names a file outside its folder: {name!r:.80}"
            yield Difference(Kind.DAMAGED, str(place.below(RECORD)), message)
        except NotARegularFile as error:
            yield Difference(Kind.CHANGED, where, f"it is {error}")
        except OSError as error:
            yield Difference(Kind.CHANGED, where, f"it can't be read: {error.strerror or error}")
        else:
            if found != expected:
                yield Difference(Kind.CHANGED, where, f"its checksum is {found}, not {expected}")


def _checksum(folder: int, name: str, count: _Count) -> str:
    check_name(name)
    total = hashlib.sha256()
    count.add(1, 0)
    with os.fdopen(open_file(folder, name), "rb", buffering=0) as stream:
        while block := stream.read(BLOCK):
            if count.stopped.is_set():
                raise InterruptedError("stopped on request")
            total.update(block)
            count.add(0, len(block))
    return _ALGORITHM + total.hexdigest()


def _is_folder(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _lost(results: ResultsFolder, places: list[Place]) -> Iterator[Difference]:
    """Runs that the folder's own table lists as complete, and that are nowhere."""
    here = {place.names[-1] for place in places}
    try:
        with results.runs_table.open(newline="", encoding="utf-8", errors="replace") as stream:
            for row in csv.DictReader(stream):
                if row.get("state") == RunState.COMPLETE and row.get("run_id") not in here:
                    name = row.get("folder") or row.get("run_id") or "?"
                    message = f"{results.runs_table.name} lists it, and it is nowhere"
                    yield Difference(Kind.MISSING, name, message)
    except (OSError, csv.Error):  # the table is derived: without it nothing is known to lack
        return
