"""Texts of strangers, cut for display, and numbers as a reader likes them."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10

from multiverse.report.words import plain

SHOWN, FULL = 80, 500


@dataclass(frozen=True)
class Name:
    """A text of a dataset, a model or a log. ``full`` is empty where ``shown`` is all of it."""

    shown: str
    full: str = ""

    def __str__(self) -> str:
        return self.shown


def name(text: object, limit: int = SHOWN) -> Name:
    """Return at most ``limit`` characters to show, and at most 500 for whoever points at them."""
    shown, full = plain(text, limit), plain(text, FULL)
    return Name(shown, "" if full == shown else full)


def chart_text(text: object, limit: int = 40) -> str:
    """Return a text for a chart: nothing in it starts a formula."""
    cut = plain(text, limit)
    for mark in ("$$", "\\[", "\\("):
        cut = cut.replace(mark, "\u200b".join(mark))
    return cut


def figure(value: float | None, digits: int = 3) -> str:
    """Return a number to about ``digits`` significant ones: ``0.0123``, ``1,230``, ``1.2e-09``."""
    if value is None:
        return "–"
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    size = floor(log10(abs(value)))
    if not -4 <= size < 12:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - size)}f}"


def duration(seconds: float | None) -> str:
    """Return ``6.8 s``, ``1 min 14 s``, ``2 h 5 min``."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def memory(size: float | None) -> str:
    """Return ``595 MiB``, ``1.3 GiB``."""
    if size is None:
        return "–"
    if size < 1024**3:
        return f"{size / 1024**2:,.0f} MiB"
    return f"{size / 1024**3:,.1f} GiB"


def moment(text: str) -> str:
    """Return ``2026-11-22 11:28 UTC`` of a time stamp as records hold it."""
    cut = plain(text, 40)
    if len(cut) >= 16 and cut[10:11] == "T" and cut.endswith("+00:00"):
        return f"{cut[:10]} {cut[11:16]} UTC"
    return cut
