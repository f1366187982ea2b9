"""``started.json``: an attempt as it begins, written before anything of it is started.

With it a later command can end the attempt in the place of one that was killed: judge what it
wrote, record it, keep it. It lies beside the output, out of the reach of what writes there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from multiverse.contract.files import read_regular
from multiverse.errors import ResultsError
from multiverse.facts import Usage
from multiverse.runs.clock import Moment
from multiverse.runs.folder import AttemptFolder
from multiverse.runs.record import RECORD_MAX_BYTES, RunRecord

#: The record, the job and what an evaluation was asked for.
STARTED_MAX_BYTES = 2 * RECORD_MAX_BYTES


class Beginning(BaseModel):
    """Base of what is written before an attempt or an evaluation starts.

    ``moment``: when that was, by a clock that does not jump; None in what earlier versions wrote.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    moment: Moment | None = None

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; :class:`ResultsError` if it is absent or damaged."""
        try:
            return cls.model_validate_json(read_regular(path, max_bytes=STARTED_MAX_BYTES))
        except (OSError, ValidationError) as error:
            raise ResultsError(f"{path} is not the beginning of an attempt: {error}") from error


class Started(Beginning):
    """``record`` is that of the attempt, in the state ``running``; ``job_spec`` the exact text.

    ``gpu`` is the engine's id of the GPU that it was given.
    """

    record: RunRecord
    data: Path
    job_spec: str
    gpu: str | None = None

    @classmethod
    def of(cls, attempt: AttemptFolder) -> Started:
        """Read that of an attempt: :meth:`read`, and it must be of this one."""
        found = cls.read(attempt.started)
        if not found.record.lies_in(attempt.folder):
            raise ResultsError(f"{attempt.started}: what it says of itself is of another attempt")
        return found


class Ended(Beginning):
    """``ended.json``: how an attempt's process ended whose output has not been judged yet.

    It is there when a command was stopped on request in between. The next one judges the output.
    """

    exit_code: int | None
    usage: Usage
