"""Fields of CSV files: numbers stay numbers, and no text is a formula."""

from __future__ import annotations

#: What a spreadsheet would take for the begin of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def field(value: object) -> str:
    """Return a number with all its digits, or a text that no spreadsheet computes: ``'=1+1``.

    None is an empty field, a truth value ``true`` or ``false``.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
