"""Collects the evaluator's lines over all attempts at one evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from multiverse.contract.evaluation import (
    BeginLine,
    MemberLine,
    ScoreLine,
    SheetLine,
    UmapLine,
    parse_line,
)
from multiverse.contract.files import Tail
from multiverse.contract.scores import Reason
from multiverse.errors import EvaluationFailed
from multiverse.events import MetricScored, Tell

AnyLine = BeginLine | ScoreLine | MemberLine | UmapLine | SheetLine
Accepts = Callable[[AnyLine], bool]
#: What is read of the lines at a time.
BLOCK_BYTES = 64 * 1024**2


def any_line(_line: AnyLine) -> bool:
    """Accept everything."""
    return True


@dataclass
class Collected:
    """Lines by member and metric; later ones replace earlier ones."""

    sheet: SheetLine | None = None
    lines: dict[str, dict[str, ScoreLine]] = field(default_factory=dict)
    neighbours: dict[str, float] = field(default_factory=dict)
    laid: set[str] = field(default_factory=set)
    begun: dict[str, str] = field(default_factory=dict)

    def add(self, text: bytes, accepts: Accepts = any_line) -> AnyLine:
        """Take in one line if it is accepted, and return it; ValueError if it is none."""
        line = parse_line(text)
        if not accepts(line):
            return line
        match line:
            case SheetLine():
                self.sheet = line
            case BeginLine():
                if not self._has_value(line.member, line.metric):  # said twice
                    self.begun[line.member] = line.metric
            case ScoreLine():
                self.lines.setdefault(line.member, {})[line.metric] = line
                self.begun.pop(line.member, None)
            case MemberLine():
                self.neighbours[line.member] = max(
                    line.neighbours_seconds, self.neighbours.get(line.member, 0.0)
                )
            case UmapLine():
                self.laid.add(line.member)
        return line

    def lacking(
        self, members: Iterable[str], wanted: Mapping[str, tuple[str, ...]]
    ) -> dict[str, tuple[str, ...]]:
        """Return member → metrics without a line yet; without the members that have all."""
        if self.sheet is None:
            return {}
        names = tuple(metric.name for metric in self.sheet.metrics)
        found = {
            member: tuple(
                name for name in wanted.get(member, names) if name not in self.lines.get(member, {})
            )
            for member in members
        }
        return {member: rest for member, rest in found.items() if rest}

    def lost(self) -> list[ScoreLine]:
        """Return scores that the evaluator could not give because something ended it."""
        return [
            line
            for lines in self.lines.values()
            for line in lines.values()
            if line.reason is Reason.EVALUATOR_FAILED
        ]

    def _has_value(self, member: str, metric: str) -> bool:
        line = self.lines.get(member, {}).get(metric)
        return line is not None and line.value is not None

    def lose(self, member: str, metric: str, why: str) -> None:
        """Record that a score can't be had this time, unless it is there."""
        if self._has_value(member, metric):
            return
        line = ScoreLine(
            member=member,
            metric=metric,
            value=None,
            reason=Reason.EVALUATOR_FAILED,
            detail=why,
        )
        self.lines.setdefault(member, {})[metric] = line

    def forget(self, lines: Iterable[ScoreLine]) -> None:
        """Let these be computed again."""
        for line in lines:
            self.lines[line.member].pop(line.metric, None)


class LineFollower:
    """Takes in the lines of one start of the evaluator, and says how far it is.

    ``names``: run id → how it is called. ``accepts``: lines for which it is false are left out.
    """

    def __init__(
        self,
        path: Path,
        collected: Collected,
        names: Mapping[str, str],
        tell: Tell,
        accepts: Accepts = any_line,
    ) -> None:
        self._tail = Tail(path, BLOCK_BYTES)
        self._collected = collected
        self._names = names
        self._tell = tell
        self._accepts = accepts
        self._done = 0

    def look(self) -> None:
        """Take in whole lines that were added since the last look."""
        while lines := self._tail.look():
            for text in filter(None, lines):
                self._take(text)

    def _take(self, text: bytes) -> None:
        try:
            line = self._collected.add(text, self._accepts)
        except ValueError as error:
            raise EvaluationFailed(
                f"the evaluator wrote {error}",
                remedy="Its image is of another version. Build it: multiverse build evaluate",
            ) from error
        sheet = self._collected.sheet
        total = sheet.n_steps if sheet else 0
        if isinstance(line, MemberLine | UmapLine):
            self._done += 1
        if isinstance(line, MemberLine | UmapLine | ScoreLine):
            what = "layout" if isinstance(line, UmapLine) else getattr(line, "metric", "scored")
            member = self._names.get(line.member, line.member)
            self._tell(MetricScored(f"{member} · {what}", self._done, total))
