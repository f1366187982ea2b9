"""Amounts as people write them: ``8GiB``, ``500MB``, ``2h``, ``90s``."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BYTES |= {f"{prefix}i": 1024 ** (n + 1) for n, prefix in enumerate("kmgt")}
#: Of memory or disk, less is of no use to any job (bytes).
LEAST_ROOM = 1_000_000
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def parse_bytes(text: Any) -> int:
    """Parse ``"8GiB"`` → 8589934592. ValueError says what is expected.

    Text needs a unit: a bare number is GiB to some, MB to users of a batch system, bytes to others.
    A number is bytes, unless it is below :data:`LEAST_ROOM`, where bytes can't be meant.
    """
    amount = _parse(text, r"b?", _BYTES, "an amount of memory such as 8GiB or 500MB")
    bare = str(text).strip()
    if not bare[-1].isalpha() and (isinstance(text, str) or amount < LEAST_ROOM):
        raise ValueError(f"{text!r} has no unit: write {_with_unit(bare, amount)}")
    return amount


def _with_unit(bare: str, amount: int) -> str:
    """Return what a number without a unit is likely to mean."""
    if amount < 1000:
        return f"{bare}GiB"
    if amount < LEAST_ROOM:
        return f"{bare}MB"
    return f"{bare}B for bytes"


def parse_room(text: Any) -> int:
    """Parse memory or disk of a job as :func:`parse_bytes`; ValueError for too little for any."""
    amount = parse_bytes(text)
    if amount < LEAST_ROOM:
        raise ValueError(
            f"{text!r} is {amount:,} bytes, and nothing runs with less than {LEAST_ROOM:,}"
        )
    return amount


def parse_seconds(text: Any) -> int:
    """Parse ``"2h"`` → 7200; a bare number is seconds. ValueError says what is expected."""
    return _parse(text, "", _SECONDS, "a time such as 90s, 30min or 2h")


def _parse(text: Any, unit_end: str, units: dict[str, int], expected: str) -> int:
    match = re.fullmatch(rf"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*?){unit_end}", str(text).strip().lower())
    if isinstance(text, bool) or match is None or match[2] not in units:
        raise ValueError(f"{text!r} is not {expected}")
    amount = round(float(match[1]) * units[match[2]])
    if amount <= 0:
        raise ValueError(f"{text!r} must be more than nothing")
    return amount


def format_bytes(amount: float) -> str:
    """Format ``1572864`` → ``"1.5 MiB"``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def format_seconds(seconds: float) -> str:
    """Format ``75.2`` → ``"1m 15s"``; below a minute with one decimal."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m" if hours else f"{minutes}m {rest:02d}s"


MemoryAmount = Annotated[
    int,
    BeforeValidator(parse_room, json_schema_input_type=Annotated[int, Field(ge=LEAST_ROOM)] | str),
]
Duration = Annotated[int, BeforeValidator(parse_seconds, json_schema_input_type=int | str)]
