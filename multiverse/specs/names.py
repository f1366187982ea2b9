"""Names that users choose and that become folders, container names and labels."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

SLUG_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
_SLUG = re.compile(SLUG_PATTERN)


def check_slug(slug: str) -> str:
    """The slug itself, if it may name a folder; ValueError says what a slug is."""
    if _SLUG.fullmatch(slug) is None or ".." in slug or slug != slug.strip():
        shown = slug if len(slug) <= 40 else slug[:37] + "..."
        raise ValueError(
            f"{shown!r} is not a slug: use 1 to 64 of a-z 0-9 _ . -, "
            "and begin with a letter or digit"
        )
    return slug


def make_slug(text: str) -> str:
    """A slug made from any text, for a file without a chosen one: ``My data!`` → ``my-data``."""
    slug = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")[:64].rstrip("-_")
    return slug or "dataset"


Slug = Annotated[
    str, AfterValidator(check_slug), WithJsonSchema({"type": "string", "pattern": SLUG_PATTERN})
]
