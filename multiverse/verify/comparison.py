"""One published run against its record and its place."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from multiverse.contract.files import NotARegularFile, stream_sha256
from multiverse.errors import ResultsError
from multiverse.facts import RunState
from multiverse.plan.job import Identity
from multiverse.runs.places import RECORD, Place, open_file, read_record
from multiverse.runs.record import RunRecord
from multiverse.runs.writing import SHA256


class DifferenceKind(StrEnum):
    """The kinds of difference between a run and its record or place."""

    CHANGED = "changed"
    MISSING = "missing"
    UNEXPECTED = "unexpected"
    DAMAGED = "damaged"
    WRONG_NAME = "wrong name"
    WRONG_IDENTITY = "wrong identity"
    WRONG_PLACE = "wrong place"


@dataclass(frozen=True)
class RunDifference:
    """One finding. ``place`` is the file or folder, from the results folder on."""

    kind: DifferenceKind
    place: str
    message: str


class ReadProgress(Protocol):
    """Told what is read, as it is read."""

    def add(self, files: int, number: int) -> None:
        """Count more files begun and more bytes read; raise to stop."""
        ...


def compare(folder: int, place: Place, reading: ReadProgress) -> Iterator[RunDifference]:
    """Yield every difference of the run in an opened folder that was found at ``place``."""
    here = set(os.listdir(folder))
    record_place = str(place.below(RECORD))
    try:
        record = read_record(folder)
    except FileNotFoundError:
        yield RunDifference(DifferenceKind.MISSING, record_place, "the run has no record")
        return
    except ResultsError as error:
        yield RunDifference(
            DifferenceKind.DAMAGED, record_place, f"the record can't be read: {error}"
        )
        return
    reading.add(1, os.stat(RECORD, dir_fd=folder).st_size)
    yield from _of_record(record, place)
    yield from _of_files(folder, place, record.checksums, reading)
    for name in sorted(here - {RECORD, *record.checksums}):
        kind = "a folder" if _is_folder(folder, name) else "a file"
        message = f"{kind} that the record does not name"
        yield RunDifference(DifferenceKind.UNEXPECTED, str(place.below(name)), message)


def _of_record(record: RunRecord, place: Place) -> Iterator[RunDifference]:
    """Yield differences in name, place and identity of a run."""
    where = str(place)
    if record.state is not RunState.COMPLETE or not record.checksums:
        what = f"is {record.state.value}" if record.checksums else "names no file"
        message = f"the record of a published run {what}"
        yield RunDifference(DifferenceKind.DAMAGED, str(place.below(RECORD)), message)
    if place.names[-1] != record.run_id:
        message = f"the record is that of run {record.run_id}"
        yield RunDifference(DifferenceKind.WRONG_NAME, where, message)
    expected = Place((record.dataset, record.model, place.names[-1]))
    if place != expected:
        message = f"the record says {record.dataset}/{record.model}"
        yield RunDifference(DifferenceKind.WRONG_PLACE, where, message)
    for message in _of_identity(record):
        yield RunDifference(DifferenceKind.WRONG_IDENTITY, str(place.below(RECORD)), message)


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
    folder: int, place: Place, checksums: Mapping[str, str], reading: ReadProgress
) -> Iterator[RunDifference]:
    for name, expected in sorted(checksums.items()):
        where = str(place.below(name))
        try:
            found = _checksum(folder, name, reading)
        except FileNotFoundError:
            yield RunDifference(DifferenceKind.MISSING, where, "the file is not there")
        except NotARegularFile as error:
            yield RunDifference(DifferenceKind.CHANGED, where, str(error))
        except OSError as error:
            yield RunDifference(
                DifferenceKind.CHANGED, where, f"it can't be read: {error.strerror or error}"
            )
        else:
            if found != expected:
                yield RunDifference(
                    DifferenceKind.CHANGED, where, f"its checksum is {found}, not {expected}"
                )


def _checksum(folder: int, name: str, reading: ReadProgress) -> str:
    reading.add(1, 0)
    with os.fdopen(open_file(folder, name), "rb", buffering=0) as stream:
        return SHA256 + stream_sha256(stream, lambda block: reading.add(0, len(block)))


def _is_folder(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
