"""From a checked attempt to a run folder, by one rename."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from multiverse.contract.files import check_regular, remove_tree, sync
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
        shutil.rmtree(staged.folder, ignore_errors=True)
        staged.folder.mkdir()
        ignored = _take(attempt, staged)
        staged.job_spec.write_text(job_spec, encoding="utf-8")  # nobody looks here yet
        attempt.container_log.replace(staged.container_log)
        final = record.model_copy(
            update={"checksums": checksums(staged.folder), "ignored_files": tuple(ignored)}
        )
        write_atomic(staged.record, final.to_json())
        synced = (staged.record, staged.job_spec)  # as they were made
        written = [path for path in staged.folder.iterdir() if path not in synced]
        for path in staged.folder.iterdir():
            path.chmod(0o444)
        sync(*written, staged.folder)
        target.folder.parent.mkdir(parents=True, exist_ok=True)
        if target.folder.exists():  # damaged, or run again on request
            target.folder.rename(attempt.replaced)
        staged.folder.rename(target.folder)
        sync(target.folder.parent)
    discard(attempt)
    return final


def take_back(attempt: AttemptFolder) -> None:
    """Undo a publication that was cut off before its rename: all files are where they were."""
    staged = attempt.staged
    with disk_errors(attempt.folder):
        for name in PUBLISHED:
            if (staged.folder / name).is_file() and not (attempt.output.folder / name).exists():
                (staged.folder / name).replace(attempt.output.folder / name)
        if staged.container_log.is_file() and not attempt.container_log.exists():
            staged.container_log.replace(attempt.container_log)
        shutil.rmtree(staged.folder, ignore_errors=True)


def _take(attempt: AttemptFolder, staged: RunFolder) -> list[str]:
    ignored = []
    for path in sorted(attempt.output.folder.iterdir()):
        if path.name in PUBLISHED:
            check_regular(path, max_bytes=MAX_BYTES[path.name])
            path.replace(staged.folder / path.name)
        elif path.name != NAMES.job_spec.name:
            ignored.append(_shown(path.name))
    return ignored[:100]


def _shown(name: str) -> str:
    """Return a name that a model has chosen, without what a terminal or a reader would obey."""
    text = name.encode(errors="replace").decode()[:200]
    return "".join(character if character.isprintable() else "?" for character in text)


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a run but its record."""
    record = RunFolder(folder).record
    return {path.name: checksum(path) for path in sorted(folder.iterdir()) if path != record}


def discard(attempt: AttemptFolder) -> None:
    """Remove an attempt's folder, and the folders above it that it leaves empty.

    What a model has made in it may be of any depth and of any mode.
    """
    with suppress(OSError):
        remove_tree(attempt.output.folder)
    shutil.rmtree(attempt.folder, ignore_errors=True)
    remove_empty([attempt.folder.parent])  # not the one above: other attempts begin there


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those folders that hold nothing, in the order given."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def is_intact(run: Run) -> bool:
    """Return whether a published run has every file that its record names.

    Presence only; ``verify`` recomputes the checksums.
    """
    return all((run.folder / name).is_file() for name in run.record.checksums)
