"""Checks that published runs are what they were when they were published.

The record of a run names the SHA-256 of each of its files, and the folder's name is the hash of
what was run: together they tell of every change, but for the parts of ``run.json`` that say how it
went (times, memory, host), which nothing can be compared with.
"""

from __future__ import annotations

import csv
import io
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from multiverse.contract.files import read_regular
from multiverse.contract.folders import status
from multiverse.events import BytesVerified, Tell, silent
from multiverse.facts import RunState
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.places import Place, find_runs, opened_folder
from multiverse.verify.comparison import DifferenceKind, RunDifference, compare

#: A second thread reads while the first one hashes; more would only compete for the disk.
THREADS = 2


@dataclass(frozen=True)
class Verification:
    """The result of a verification: numbers, and every difference in the order of the folders."""

    runs: int
    files: int
    bytes: int
    seconds: float
    differences: tuple[RunDifference, ...]


def verify_results(results: ResultsFolder, tell: Tell = silent) -> Verification:
    """Recompute the checksum of every published file and compare all that can be compared.

    Links are not followed; nothing is written. Raises :class:`ResultsError` where there is no
    such folder.
    """
    results.check()
    began = time.monotonic()
    found = find_runs(results)
    places = found.runs
    differences = [
        RunDifference(
            DifferenceKind.UNEXPECTED, str(link), "a symbolic link to a folder: not followed"
        )
        for link in found.links
    ]
    differences += [
        RunDifference(DifferenceKind.MISSING, str(place), "a folder that can't be looked into")
        for place in found.unreadable
    ]
    count = _Count(sum(_size(results, place) for place in places), tell)
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for wrong in pool.map(lambda place: _verify(results, place, count), places):
                differences += wrong
        except BaseException:
            count.stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    differences += _lost(results, places)
    seconds = time.monotonic() - began
    return Verification(len(places), count.files, count.bytes, seconds, tuple(differences))


class _Count:
    """A counter of what all threads have read."""

    def __init__(self, total: int, tell: Tell) -> None:
        self.stopped = threading.Event()
        self.files = 0
        self.bytes = 0
        self._total = total
        self._tell = tell
        self._lock = threading.Lock()
        tell(BytesVerified(0, total))

    def add(self, files: int, number: int) -> None:
        if self.stopped.is_set():
            raise InterruptedError("stopped on request")
        with self._lock:
            self.files += files
            self.bytes += number
            self._tell(BytesVerified(self.bytes, self._total))


def _size(results: ResultsFolder, place: Place) -> int:
    try:
        with opened_folder(results.folder, place.names) as folder, os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:  # it is named when it is read
        return 0


def _verify(results: ResultsFolder, place: Place, count: _Count) -> list[RunDifference]:
    """Return all that is to be said of one run; of its new content if it is replaced."""
    while True:
        try:
            with opened_folder(results.folder, place.names) as folder:
                found = list(compare(folder, place, count))
                if not found or _is_there(results, place, folder):
                    return found
        except OSError as error:
            message = f"the run can't be read: {error.strerror or error}"
            return [RunDifference(DifferenceKind.MISSING, str(place), message)]


def _is_there(results: ResultsFolder, place: Place, folder: int) -> bool:
    seen, now = os.fstat(folder), status(results.folder.joinpath(*place.names))
    return now is not None and (seen.st_dev, seen.st_ino) == (now.st_dev, now.st_ino)


#: More than the table of any results folder has.
TABLE_MAX_BYTES = 256 * 1024**2


def _lost(results: ResultsFolder, places: Sequence[Place]) -> Iterator[RunDifference]:
    """Yield runs that the folder's own table lists as complete, and that are nowhere."""
    here = {place.names[-1] for place in places}
    try:
        table = read_regular(results.runs_table, max_bytes=TABLE_MAX_BYTES).decode(errors="replace")
        for row in csv.DictReader(io.StringIO(table, newline="")):
            if row.get("state") == RunState.COMPLETE and row.get("run_id") not in here:
                name = row.get("folder") or row.get("run_id") or "?"
                message = f"{results.runs_table.name} lists it, and it is nowhere"
                yield RunDifference(DifferenceKind.MISSING, name, message)
    except (OSError, csv.Error):  # the table is derived: without it nothing is known to lack
        return
