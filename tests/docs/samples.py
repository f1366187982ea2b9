"""Outputs that pages show, held against what was printed; and shown anew where they differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

ELLIPSIS = "…"
RELATIVE, ABSOLUTE = 0.05, 0.02
#: What differs between two runs of the same command, and is not compared.
_FREE = {
    "time_of_day": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+\d\d:\d\d)?",
    "docker": r"(?<=docker )\d[\w.+~-]*",
    "size": r"(?<![\w.])\d[\d,.]* (?:B|[KMGT]iB|[KMGT]B)\b",
    "duration": r"(?<![\w.])\d+(?:\.\d+)?(?:ms|s|m|h|d)\b(?: \d+(?:\.\d+)?(?:s|m|h)\b)*",
}
_DIGEST = r"(?<![\w])(?:sha256:)?(?=[0-9a-f]*\d)[0-9a-f]{8,64}\b"
_NUMBER = r"(?<![\w.])[-−+]?\d+(?:,\d{3})*(?:\.\d+)?"
_TOKEN = re.compile(
    "|".join(f"(?P<{name}>{pattern})" for name, pattern in _FREE.items())
    + f"|(?P<digest>{_DIGEST})|(?P<number>{_NUMBER})|(?P<gap>{ELLIPSIS})|(?P<space>\\s+)"
)
#: How far a run is: how often that is said depends on the machine.
_PROGRESS = re.compile(r"\S+ .*seed \d+: [\d.]+.* · .*|\d+ (?:running|queued)\b.*|scoring: .*"
                       r"|reading .*|\S+: waiting .*")  # fmt: skip
#: Jobs work side by side, so their order is none.
_JOB = re.compile(r"\S+/\S+ .*seed \d+: .*")


@dataclass
class Match:
    """How a sample differs from what was printed, and which of its digests stand for which."""

    differences: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)


def compare(shown: str, printed: str) -> Match:
    """Hold a sample against what was printed.

    A line of an ellipsis stands for any lines, an ellipsis within a line for any text. Without
    one, the sample begins and ends where the output does.
    """
    match = Match()
    sample, real = _told(shown), _told(printed)
    jobs = [line for line in real if _JOB.fullmatch(line)]
    wanted = [line for line in sample if _JOB.fullmatch(line)]
    for line in wanted:
        found = next((job for job in jobs if same(line, job, match)), None)
        if found is None:
            match.differences.append(f"no job said: {line}")
        else:
            jobs.remove(found)
    if jobs and wanted and ELLIPSIS not in sample:
        match.differences += [f"not shown: {line}" for line in jobs]
    lines = [line for line in real if not _JOB.fullmatch(line)]
    _compare_lines([line for line in sample if line not in wanted], lines, match)
    return match


def _told(text: str) -> list[str]:
    """Its lines without blank ones and those that say how far a run is."""
    lines = (line.rstrip() for line in text.splitlines())
    return [line for line in lines if line and not _PROGRESS.fullmatch(line)]


def _compare_lines(sample: Sequence[str], real: Sequence[str], match: Match) -> None:
    position, is_loose = 0, False
    for line in sample:
        if line.strip() == ELLIPSIS:
            is_loose = True
            continue
        places = range(position, len(real)) if is_loose else range(position, position + 1)
        found = next(
            (place for place in places if place < len(real) and same(line, real[place], match)),
            None,
        )
        if found is None:
            instead = real[position] if position < len(real) else "the end"
            match.differences.append(f"shown:   {line}\n  printed: {instead}")
            position += not is_loose
            continue
        position, is_loose = found + 1, False
    if not is_loose:
        match.differences += [f"not shown: {line}" for line in real[position:]]


def same(shown: str, real: str, match: Match | None = None, *, anyhow: bool = False) -> bool:
    """Tell whether a line is what was printed: words as they stand, figures within a tolerance.

    Times of day, durations, sizes and digests may be any. With ``anyhow`` so may figures.
    """
    pattern, numbers = _pattern(shown)
    found = re.fullmatch(pattern, " ".join(real.split()))
    if found is None:
        return False
    groups = found.groupdict()
    if not anyhow:
        for name, value in numbers.items():
            if name.startswith("n") and not _near(value, groups[name]):
                return False
    if match is not None:
        pairs = {value: groups[name] for name, value in numbers.items() if name.startswith("d")}
        match.digests.update(pairs)
    return True


def _pattern(shown: str) -> tuple[str, dict[str, str]]:
    """A regular expression of a shown line, and its figures and digests by group."""
    text = " ".join(shown.split())
    parts: list[str] = []
    groups: dict[str, str] = {}
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(re.escape(text[end : token.start()]))
        end = token.end()
        kind, value = str(token.lastgroup), token.group()
        if kind in ("number", "digest"):
            name = f"{kind[0]}{len(groups)}"
            groups[name] = value
            bare = _NUMBER.removeprefix(r"(?<![\w.])") if kind == "number" else _DIGEST
            parts.append(f"(?P<{name}>{bare})")
        elif kind == "gap":
            parts.append(".*")
        else:
            parts.append(r"\s+" if kind == "space" else _FREE[kind])
    return "".join([*parts, re.escape(text[end:])]), groups


def _near(shown: str, real: str) -> bool:
    if "." not in shown and "." not in real:
        return shown == real
    one, other = (float(text.replace(",", "").replace("−", "-")) for text in (shown, real))
    return abs(one - other) <= max(RELATIVE * abs(one), ABSOLUTE)


def show_anew(shown: str, printed: str) -> str:
    """Return a sample with what was printed now where it differs; ellipses stay where they are."""
    real = [line.rstrip() for line in printed.strip("\n").splitlines()]
    real = [line for line in real if not _PROGRESS.fullmatch(line)]
    parts = re.split(rf"^{ELLIPSIS}\n", shown, flags=re.MULTILINE)
    made: list[str] = []
    position = 0
    for number, part in enumerate(parts):
        lines = part.rstrip("\n").splitlines()
        if not any(lines):
            made.append(part)
            continue
        is_last = number == len(parts) - 1
        first = position if number == 0 else _nearest(lines[0], real, position)
        last = len(real) - 1 if is_last else _nearest(lines[-1], real, first)
        edges = f"{ELLIPSIS}\n" * (number > 0), f"{ELLIPSIS}\n" * (not is_last)
        if compare(part.join(edges), printed).differences:
            part = "".join(f"{line}\n" for line in real[first : last + 1])
        made.append(part)
        position = last + 1
    return f"{ELLIPSIS}\n".join(made)


def _nearest(line: str, real: Sequence[str], start: int) -> int:
    """The number of the line that is most like one that was shown, not before ``start``."""

    def likeness(number: int) -> float:
        if same(line, real[number], anyhow=True):
            return 2.0
        return SequenceMatcher(None, line.split(), real[number].split()).ratio()

    return max(range(min(start, len(real) - 1), len(real)), key=likeness)
