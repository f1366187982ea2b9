"""The results of the suite: one a check, readable as a to-do list and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class CheckStatus(StrEnum):
    """The outcome of a check. A note is worth reading, and no failure."""

    PASSED = "passed"
    FAILED = "failed"
    NOTE = "note"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True)
class CheckResult:
    """One check. ``log`` holds the last lines of the run that decided it, ``folder`` its files."""

    name: str
    status: CheckStatus
    expected: str
    happened: str
    to_do: str = ""
    log: tuple[str, ...] = ()
    folder: str = ""
    seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "status": str(self.status), "log": list(self.log)}


@dataclass(frozen=True)
class CheckReport:
    """All checks of one model on one engine, and what its usual run used."""

    model: str
    version: str
    software: str
    engine: str
    isolation: str
    results: tuple[CheckResult, ...]
    resources: Mapping[str, float | int | None] = field(default_factory=dict)

    def count(self, status: CheckStatus) -> int:
        return sum(result.status is status for result in self.results)

    @property
    def passed(self) -> bool:
        """True if no check failed."""
        return self.count(CheckStatus.FAILED) == 0

    def result(self, name: str) -> CheckResult:
        """Return the result of one check; KeyError if it was not made."""
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(name)

    def plain(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return {
            "model": self.model,
            "version": self.version,
            "software": self.software,
            "engine": self.engine,
            "isolation": self.isolation,
            "passed": self.passed,
            "counts": {str(status): self.count(status) for status in CheckStatus},
            "resources": dict(self.resources),
            "results": [result.plain() for result in self.results],
        }
