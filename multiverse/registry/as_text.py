"""Values of a table as text: what names, batches and labels are compared by."""

from __future__ import annotations

import pandas as pd


def as_text(values: pd.Series, missing: str | None = None) -> pd.Series:
    """Return the values as text; whole numbers without a point; ``missing`` replaces NaN."""
    present = values.astype(object).where(values.notna(), None)
    text = [missing if value is None else _text(value) for value in present]
    return pd.Series(text, index=values.index, dtype=object, name=values.name)


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
