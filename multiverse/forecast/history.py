"""Keeps what past runs took, in any results folder of this user: ``history.jsonl``.

A convenience for whoever plans the next runs, and nothing else: it may be deleted at any time, a
line of it that makes no sense is skipped, and no error of the disk reaches a run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from multiverse.errors import MultiverseError
from multiverse.facts import Cause, RunState
from multiverse.runs.record import RunRecord
from multiverse.runs.writing import write_atomic

#: A line is appended by one write of at most this many bytes, so that two runners don't mix theirs.
MAX_LINE_BYTES = 4096
#: From this size on the older half of the file is dropped.
MAX_FILE_BYTES = 10 * 1024**2
#: More than most lines have; how far from the end reading begins.
USUAL_LINE_BYTES = 512

_Word = Annotated[str, StringConstraints(max_length=100)]


class PastRun(BaseModel):
    """The cost of one run: of a model, on data of some size, with some settings.

    ``n_values`` counts the stored values of the modalities that the model used; ``device`` is
    the kind of device (``cpu``, ``cuda``); ``parameters`` stands for the settings, as
    :func:`settings_hash` has them. A run that was ``out_of_memory`` needed more than
    ``memory_limit`` bytes; its seconds say nothing.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, protected_namespaces=())

    model: _Word
    model_version: _Word
    device: _Word
    engine: _Word
    n_obs: int = Field(ge=1)
    n_values: int = Field(ge=0)
    cpus: float = Field(gt=0, allow_inf_nan=False)
    wall_seconds: float = Field(ge=0, allow_inf_nan=False)
    peak_memory_bytes: int | None = Field(ge=0)
    out_of_memory: bool
    memory_limit: int = Field(ge=0)
    parameters: _Word
    finished_at: _Word


def past_run_of(record: RunRecord, n_values: int) -> PastRun | None:
    """Return the cost of a run for the history; None if it ended for another reason.

    ``n_values``: the stored counts of the dataset in the modalities that the model used. A run
    that failed, was stopped or did not apply took what it took because of that.
    """
    out_of_memory = record.cause is Cause.OUT_OF_MEMORY
    if record.state is not RunState.COMPLETE and not out_of_memory:
        return None
    try:
        return PastRun(
            model=record.model,
            model_version=record.model_version,
            device=record.device.partition(":")[0],
            engine=record.engine.name,
            n_obs=record.n_obs,
            n_values=n_values,
            cpus=record.limits.get("cpus") or 1,
            wall_seconds=record.usage.wall_seconds,
            peak_memory_bytes=record.usage.peak_memory_bytes,
            out_of_memory=out_of_memory,
            memory_limit=int(record.limits.get("memory") or 0),
            parameters=settings_hash(record.changed, record.preprocessing),
            finished_at=record.finished_at,
        )
    except ValidationError:  # a name or a figure that no run has: nothing to learn from
        return None


def settings_hash(changed: Mapping[str, Any], preprocessing: Mapping[str, Any]) -> str:
    """Return 8 hexadecimal digits for the non-default parameters and the preprocessing."""
    text = json.dumps([dict(changed), dict(preprocessing)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class History:
    """The file of past runs. Several runners may append to it at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, past: PastRun) -> None:
        """Remember a run. What can't be written is forgotten."""
        line = past.model_dump_json().encode() + b"\n"
        if len(line) > MAX_LINE_BYTES:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._write(line) > MAX_FILE_BYTES:
                self._shorten()
        except (OSError, MultiverseError):
            return

    def read(self, limit: int = 5000) -> list[PastRun]:
        """Return the newest ``limit`` runs, oldest first; empty where nothing can be read."""
        try:
            lines = self._end(limit * USUAL_LINE_BYTES)
        except OSError:
            return []
        found = (_parsed(line) for line in lines[-limit:] if line)
        return [past for past in found if past is not None]

    def _write(self, line: bytes) -> int:
        """Append by one write; return the size of the file after it."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o644)
        try:
            os.write(descriptor, line)
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def _shorten(self) -> None:
        """Keep the newer half. A line that another runner appends meanwhile may be lost."""
        write_atomic(self._path, b"".join(line + b"\n" for line in self._end(MAX_FILE_BYTES // 2)))

    def _end(self, n_bytes: int) -> list[bytes]:
        """Return the whole lines within the last ``n_bytes`` of the file."""
        with self._path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            start = max(0, size - n_bytes)
            # One byte earlier: a line that begins exactly at the start is whole.
            stream.seek(max(0, start - 1))
            lines = stream.read(size - stream.tell()).split(b"\n")
        whole = lines[1:] if start else lines
        return whole[:-1] if whole and not whole[-1] else whole


def _parsed(line: bytes) -> PastRun | None:
    try:
        return PastRun.model_validate_json(line)
    except ValidationError:
        return None
