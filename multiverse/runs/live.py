"""Files of a running command for other terminals: ``plan.json`` and ``live.json``.

A convenience beside the record: nothing is decided by it, and nobody misses it when it is gone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from multiverse.contract.files import read_regular
from multiverse.contract.numbers import Amount, Count
from multiverse.errors import ResultsError
from multiverse.facts import EpochFacts, JobFacts, Usage

MAX_BYTES = 64 * 1024 * 1024


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    def to_json(self) -> str:
        return self.model_dump_json() + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; FileNotFoundError if it is absent, :class:`ResultsError` if damaged."""
        try:
            return cls.model_validate_json(read_regular(path, max_bytes=MAX_BYTES))
        except FileNotFoundError:
            raise
        except (OSError, ValidationError) as error:
            raise ResultsError(f"{path} is damaged: {error}") from error


class PlanFile(_File):
    """``plan.json``: the jobs of the newest command, and which process works on them.

    ``process``: what tells it from another process of that number; empty by earlier versions.
    """

    pid: Count
    process: str = ""
    host: str
    started_at: str
    jobs: tuple[JobFacts, ...]


class LiveFile(_File):
    """``live.json`` of a running attempt. ``memory`` is its limit in bytes."""

    started_at: str
    updated_at: str
    cpus: Amount
    memory: Count
    gpu: str | None = None
    usage: Usage = Usage()
    epoch: EpochFacts | None = None
