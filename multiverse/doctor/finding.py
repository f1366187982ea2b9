"""Findings about the machine: their severity, what was seen, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """The severity of a finding. A warning may harm a run; an error will."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class MachineFinding:
    """One thing that was looked at. ``area`` is that of its check, such as ``disk``."""

    area: str
    status: Severity
    seen: str
    remedy: str = ""


def ok(area: str, seen: str) -> MachineFinding:
    return MachineFinding(area, Severity.OK, seen)


def note(area: str, seen: str, remedy: str = "") -> MachineFinding:
    return MachineFinding(area, Severity.NOTE, seen, remedy)


def warning(area: str, seen: str, remedy: str) -> MachineFinding:
    return MachineFinding(area, Severity.WARNING, seen, remedy)


def error(area: str, seen: str, remedy: str) -> MachineFinding:
    return MachineFinding(area, Severity.ERROR, seen, remedy)
