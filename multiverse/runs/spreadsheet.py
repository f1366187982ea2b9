"""Fields of CSV files: numbers stay numbers, and no text is a formula."""

from __future__ import annotations

#: What a spreadsheet would take for the begin of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
#: Not printable, but what stands between words and lines of a field.
_SPACE = "\t\r\n"


def field(value: object) -> str:
    """Return a number with all its digits, or a text that no spreadsheet computes: ``'=1+1``.

    None is an empty field, a truth value ``true`` or ``false``. What a terminal would obey, or is
    no character, is written as in Python: ``\\x1b``.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c in _SPACE else repr(c)[1:-1] for c in text)
    return f"'{text}" if text.startswith(_FORMULA) else text
