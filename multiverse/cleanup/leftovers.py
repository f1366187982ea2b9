"""Leftovers of killed runners and clean-ups, in a results folder and in the system's tmp."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from multiverse.cleanup.holders import LeftJobs, held, run_locks
from multiverse.cleanup.kept_attempts import remove_empty_run
from multiverse.cleanup.removable import (
    CleanupGroup,
    Entry,
    Item,
    delete_folder,
    names_in,
    occupied,
    put_aside,
)
from multiverse.contract.files import is_aside
from multiverse.contract.folders import is_file, is_folder, temporary_root
from multiverse.engines.local import scratch_prefix
from multiverse.runner.prepared import owner_labels
from multiverse.runs.folder import ResultsFolder, is_run_id
from multiverse.runs.lock import folder_lock
from multiverse.runs.places import opened_folder

_SCRATCH_RUN = re.compile(r"-([0-9a-f]{16})-[a-z0-9_]{8}$")


def leftovers(results: ResultsFolder) -> Iterator[Entry]:
    """Yield everything that nobody needs and that no living process works on."""
    locks = run_locks(results)
    yield from _half_written(results)
    yield from put_aside(results.folder, [results.attempts.name], CleanupGroup.LEFTOVERS)
    yield from _locks(results, locks)
    yield from _empty_folders(results, locks)
    yield from _scratch(results, locks)


def _half_written(results: ResultsFolder) -> Iterator[Entry]:
    """Yield files written aside and not renamed; a living process holds the folder's lock."""
    for name in names_in(results.folder):
        path = results.folder / name
        known = any(is_aside(name, own.name) for own in results.rewritten)
        if known and is_file(path):
            remove = partial(_unlink, results, name)
            why = "half-written by a process that was killed"
            yield Item(CleanupGroup.LEFTOVERS, name, why, occupied(path), remove)


def _unlink(results: ResultsFolder, name: str) -> None:
    with folder_lock(results), opened_folder(results.folder, ()) as folder:
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:  # it was being written, and has its name now
            return


def _locks(results: ResultsFolder, locks: Mapping[str, str | None]) -> Iterator[Entry]:
    for run_id, holder in locks.items():
        if holder is None:
            path = results.run_lock(run_id)
            name = f"{results.attempts.name}/{path.name}"
            remove = partial(_release, results, run_id)
            yield Item(
                CleanupGroup.LEFTOVERS, name, "a lock that nobody holds", occupied(path), remove
            )


def _empty_folders(results: ResultsFolder, locks: Mapping[str, str | None]) -> Iterator[Entry]:
    for run_id in filter(is_run_id, names_in(results.folder, results.attempts.name)):
        path = results.attempts / run_id
        empty = is_folder(path) and not names_in(path)
        if empty and locks.get(run_id) is None:
            name = f"{results.attempts.name}/{run_id}"
            remove = partial(_remove_empty, results, run_id)
            yield Item(CleanupGroup.LEFTOVERS, name, "an empty folder", occupied(path), remove)


def _scratch(results: ResultsFolder, locks: Mapping[str, str | None]) -> Iterator[Entry]:
    """Yield folders of the local engine's jobs that ended without their runner."""
    root, jobs = temporary_root(), LeftJobs(results)
    for path in sorted(root.glob(scratch_prefix(owner_labels(results)) + "*")):
        run = _SCRATCH_RUN.search(path.name)
        status = path.lstat()
        ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if ours and run is not None and not locks.get(run[1]) and not jobs.has_process(run[1]):
            remove = partial(_remove_scratch, results, run[1], path)
            why = "scratch of a job whose runner was killed"
            yield Item(CleanupGroup.LEFTOVERS, str(path), why, occupied(path), remove)


def _release(results: ResultsFolder, run_id: str) -> None:
    with held(results, run_id):  # giving a lock back removes its file
        return


def _remove_empty(results: ResultsFolder, run_id: str) -> None:
    with held(results, run_id):
        remove_empty_run(results, run_id)


def _remove_scratch(results: ResultsFolder, run_id: str, path: Path) -> None:
    with held(results, run_id):
        delete_folder(path.parent, path.name)
