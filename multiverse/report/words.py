"""Words for people: lists, numbers of things, and the text of strangers made harmless."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from multiverse.specs.names import first_of

ELLIPSIS = "…"
#: How much of a text is looked at, so that a name of megabytes costs nothing.
_LOOKED_AT = 4


def plain(text: object, limit: int = 200) -> str:
    """Return one line of at most ``limit`` characters that no terminal or layout obeys.

    Control characters, line breaks and marks that turn the direction of writing become spaces.
    """
    whole = str(text)
    start = whole[: limit * _LOOKED_AT]
    shown = "".join(
        character if character.isprintable() and not _turns(character) else " "
        for character in start
    )
    line = " ".join(shown.split())
    if len(line) <= limit and len(start) == len(whole):
        return line
    return line[: limit - 1].rstrip() + ELLIPSIS


def _turns(character: str) -> bool:
    return unicodedata.category(character) == "Cf" and unicodedata.bidirectional(character) != "BN"


def listed(items: Iterable[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    *first, last = list(items) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def shortened(items: Sequence[str], limit: int) -> str:
    """Return the first of many, and how many more there are."""
    if len(items) <= limit:
        return listed(items)
    return first_of(items, limit)


def counted(number: int, word: str, plural: str = "") -> str:
    """Return ``1 cell``, ``2,000 cells``."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def settings(values: Iterable[tuple[str, object]]) -> str:
    """Return ``n_factors=20, scale=True``."""
    return ", ".join(f"{plain(name, 60)}={plain(value)}" for name, value in values)


def score(value: float | None, digits: int = 3) -> str:
    """Return ``0.712``."""
    return "–" if value is None else f"{value:z.{digits}f}"


def shown_rank(rank: int | None, *, shared: bool) -> str:
    """Return ``2``, or ``2 =`` where another has the same; nothing without a rank."""
    return "" if rank is None else f"{rank}{' =' if shared else ''}"
