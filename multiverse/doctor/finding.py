"""What a check found: how bad it is, what was seen, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How bad it is. A note is worth knowing; a warning may harm a run; an error will."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``area`` is that of its check, such as ``disk``."""

    area: str
    status: Status
    seen: str
    remedy: str = ""


def ok(area: str, seen: str) -> Finding:
    return Finding(area, Status.OK, seen)


def note(area: str, seen: str, remedy: str = "") -> Finding:
    return Finding(area, Status.NOTE, seen, remedy)


def warning(area: str, seen: str, remedy: str) -> Finding:
    return Finding(area, Status.WARNING, seen, remedy)


def error(area: str, seen: str, remedy: str) -> Finding:
    return Finding(area, Status.ERROR, seen, remedy)
