"""What the evaluator has said up to now, over all attempts at one evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from multiverse.contract.evaluation import (
    BeginLine,
    MemberLine,
    ScoreLine,
    SheetLine,
    UmapLine,
    parse_line,
)
from multiverse.contract.scores import Reason


@dataclass
class Collected:
    """Lines by member and metric; later ones replace earlier ones."""

    sheet: SheetLine | None = None
    lines: dict[str, dict[str, ScoreLine]] = field(default_factory=dict)
    neighbours: dict[str, float] = field(default_factory=dict)
    laid: set[str] = field(default_factory=set)
    begun: dict[str, str] = field(default_factory=dict)

    def add(self, text: bytes) -> BeginLine | ScoreLine | MemberLine | UmapLine | SheetLine:
        """Take in one line; ValueError if it is none."""
        line = parse_line(text)
        match line:
            case SheetLine():
                self.sheet = line
            case BeginLine():
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
        """Member → metrics without a line yet; without the members that have all."""
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
        """Scores that the evaluator could not give because something ended it."""
        return [
            line
            for lines in self.lines.values()
            for line in lines.values()
            if line.reason is Reason.EVALUATOR_FAILED
        ]

    def lose(self, member: str, metric: str, why: str) -> None:
        """Record that a score can't be had this time."""
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
