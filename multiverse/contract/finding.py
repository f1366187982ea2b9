"""Findings: the faults of an output, as they are reported."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: Characters of one message.
MAX_MESSAGE = 500


class FindingKind(StrEnum):
    """The kinds of faults of an output."""

    MISSING = "missing"
    NOT_A_FILE = "not_a_file"
    UNREADABLE = "unreadable"
    WRONG_SHAPE = "wrong_shape"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    CONSTANT = "constant"
    WRONG_CELLS = "wrong_cells"
    WRONG_ORDER = "wrong_order"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one file of an output."""

    kind: FindingKind
    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"
