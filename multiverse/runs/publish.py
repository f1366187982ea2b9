"""From a checked attempt to a run folder, by one rename."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from multiverse.contract.files import check_regular, set_mode, sync, write_aside
from multiverse.contract.folders import (
    exists,
    is_file,
    make_folder,
    move,
    names_in,
    opened_folder,
    remove_empty_folder,
    remove_tree,
)
from multiverse.contract.output import MAX_BYTES
from multiverse.contract.paths import NAMES
from multiverse.runs.folder import AttemptFolder, RunFolder
from multiverse.runs.record import RunRecord
from multiverse.runs.run import Run
from multiverse.runs.writing import checksum, disk_errors, write_atomic

#: The contract's files that become part of a run. The job is written by the runner itself,
#: because the model could have changed its own copy.
PUBLISHED = tuple(
    path.name for path in (NAMES.embeddings, NAMES.metrics, NAMES.epochs, NAMES.umap, NAMES.log)
)


def publish(
    attempt: AttemptFolder, target: RunFolder, record: RunRecord, job_spec: str
) -> RunRecord:
    """Move the files of a checked attempt to the run's own place; returns the final record.

    The run folder appears complete or not at all. What else the model wrote is named in the
    record and goes with the attempt. Raises :class:`DiskFull` or :class:`ResultsError`.
    """
    staged = attempt.staged
    with disk_errors(attempt.folder):
        remove_tree(staged.folder)
        make_folder(staged.folder, new=True)
        ignored = _take(attempt, staged)
        write_aside(staged.job_spec, job_spec, durable=False)  # synced below, with the others
        move(attempt.container_log, staged.container_log)
        final = record.model_copy(
            update={"checksums": checksums(staged.folder), "ignored_files": tuple(ignored)}
        )
        write_atomic(staged.record, final.to_json())
        _close(staged)
        written = [name for name in names_in(staged.folder) if name != staged.record.name]
        sync(*(staged.folder / name for name in written), staged.folder)
        make_folder(target.folder.parent)
        if exists(target.folder):  # damaged, or run again on request
            move(target.folder, attempt.replaced)
        move(staged.folder, target.folder)
        sync(target.folder.parent)
    discard(attempt)
    return final


def _close(staged: RunFolder) -> None:
    """Take away the right to write files; to read them it is as the caller's umask has it."""
    with opened_folder(staged.folder) as folder:
        mode = os.stat(staged.record.name, dir_fd=folder, follow_symlinks=False).st_mode & 0o444
        for name in os.listdir(folder):  # noqa: PTH208 - a descriptor is no path
            set_mode(name, folder, mode)


def take_back(attempt: AttemptFolder) -> None:
    """Undo a publication that was cut off before its rename: all files are where they were."""
    staged = attempt.staged
    with disk_errors(attempt.folder):
        for name in PUBLISHED:
            if is_file(staged.folder / name) and not exists(attempt.output.folder / name):
                move(staged.folder / name, attempt.output.folder / name)
        if is_file(staged.container_log) and not exists(attempt.container_log):
            move(staged.container_log, attempt.container_log)
        remove_tree(staged.folder)


def _take(attempt: AttemptFolder, staged: RunFolder) -> list[str]:
    ignored = []
    for name in names_in(attempt.output.folder):
        if name in PUBLISHED:
            check_regular(attempt.output.folder / name, max_bytes=MAX_BYTES[name])
            move(attempt.output.folder / name, staged.folder / name)
        elif name != NAMES.job_spec.name:
            ignored.append(_shown(name))
    return ignored[:100]


def _shown(name: str) -> str:
    """Return a name that a model has chosen, without what a terminal or a reader would obey."""
    text = name.encode(errors="replace").decode()[:200]
    return "".join(character if character.isprintable() else "?" for character in text)


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a run but its record."""
    record = RunFolder(folder).record
    return {name: checksum(folder / name) for name in names_in(folder) if name != record.name}


def discard(attempt: AttemptFolder) -> None:
    """Remove an attempt's folder, and the folders above it that it leaves empty.

    What a model has made in it may be of any depth and of any mode.
    """
    with suppress(OSError):
        remove_tree(attempt.folder)
    remove_empty([attempt.folder.parent])  # not the one above: other attempts begin there


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those folders that hold nothing, in the order given."""
    for folder in folders:
        try:
            remove_empty_folder(folder)
        except OSError:
            return


def is_intact(run: Run) -> bool:
    """Return whether a published run has every file that its record names.

    Presence only; ``verify`` recomputes the checksums.
    """
    return all(is_file(run.folder / name) for name in run.record.checksums)
