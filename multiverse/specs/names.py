"""Names that users choose and that become folders, container names and labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

SLUG_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
_SLUG = re.compile(SLUG_PATTERN)
#: What ``multiverse build`` and ``clean`` call the evaluator, beside models.
EVALUATOR = "evaluate"


def check_slug(slug: str) -> str:
    """Return the slug itself, if it may name a folder; ValueError says what a slug is."""
    if _SLUG.fullmatch(slug) is None or ".." in slug or slug != slug.strip():
        shown = slug if len(slug) <= 40 else slug[:37] + "..."
        raise ValueError(
            f"{shown!r} is not a slug: use 1 to 64 of a-z 0-9 _ . -, "
            "and begin with a letter or digit"
        )
    return slug


def is_slug(text: str) -> bool:
    """Return whether a text may name a folder: :func:`check_slug` without an error."""
    try:
        check_slug(text)
    except ValueError:
        return False
    return True


def job_name(dataset: str, model: str, changed: Mapping[str, Any], seed: int) -> str:
    """Return ``pbmc/mofa n_factors=20 seed 0``; ``changed``: parameters not at default."""
    words = [f"{name}={short(value)}" for name, value in changed.items()]
    return " ".join([f"{dataset}/{model}", *words, f"seed {seed}"])


def short(value: object) -> str:
    """Return a value as text of at most 24 characters."""
    text = str(value)
    return text if len(text) <= 24 else text[:21] + "..."


def first_of(items: Sequence[str], most: int) -> str:
    """Return ``a, b and 7 more``: the first of many, and how many there are besides."""
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def sentence(text: str) -> str:
    """Return a text as a sentence: with a capital and a full stop."""
    trimmed = text.strip()
    end = "" if not trimmed or trimmed.endswith((".", "!", "?", "…")) else "."
    return f"{trimmed[:1].upper()}{trimmed[1:]}{end}"


def make_slug(text: str) -> str:
    """Make a slug from any text, for a file without a chosen one: ``My data!`` → ``my-data``."""
    slug = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")[:64].rstrip("-_")
    return slug or "dataset"


Slug = Annotated[
    str, AfterValidator(check_slug), WithJsonSchema({"type": "string", "pattern": SLUG_PATTERN})
]
