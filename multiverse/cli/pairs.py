"""Arguments that are written as ``NAME=VALUE``, or may be."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from multiverse.errors import UsageError
from multiverse.registry import known_modality


def pairs(items: Sequence[str], option: str) -> dict[str, str]:
    """Return ``NAME=VALUE`` arguments as a dictionary."""
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {item}: write it as NAME=VALUE")
        if found.setdefault(name, value) != value:
            raise UsageError(
                f"{option} gives {name} two values, {found[name]!r} and {value!r}",
                remedy=f"Give one: {option} {shlex.quote(item)}",
            )
    return found


def files_of(items: Sequence[str]) -> Path | dict[str, Path]:
    """Return the one file that is named, or one a modality (``rna=a.h5ad``).

    Raises :class:`UsageError` for several of which nothing says what they hold.
    """
    named = {item for item in items if is_named(item)}
    plain = [*dict.fromkeys(item for item in items if item not in named)]
    if not named and len(plain) == 1:
        return Path(plain[0])
    if plain:
        meant = " ".join(item if item in named else _guessed(item) for item in items)
        raise UsageError(
            f"{len(items)} files are given, and nothing says what {plain[-1]} holds",
            remedy="Name the modality of each, one file a modality: --input "
            f"{meant} (rna, atac or adt). Files that are datasets of their own are run one after "
            "the other, or listed in a benchmark file.",
        )
    return {name: Path(path) for name, path in pairs(items, "--input").items()}


def is_named(item: str) -> bool:
    """Return whether a word is a file with the modality that it holds: ``rna=a.h5ad``."""
    name, equals, _ = item.partition("=")
    return bool(equals) and "/" not in name and not Path(item).exists()


def _guessed(item: str) -> str:
    """Return ``adt=x_adt.h5ad``: a file or a layer with the modality that its name speaks of."""
    words = re.split(r"[^a-zA-Z]+", Path(item).stem)
    found = {known for word in words if (known := known_modality(word))}
    return shlex.quote(f"{found.pop() if len(found) == 1 else 'MODALITY'}={item}")


def layers(items: Sequence[str]) -> str | dict[str, str] | None:
    """Return the one layer that is named, or one for each modality (``rna=counts``)."""
    plain = [*dict.fromkeys(item for item in items if "=" not in item)]
    if len(plain) == 1 and len({*items}) == 1:
        return plain[0]
    if plain:
        raise UsageError(
            f"--layer names {', '.join(map(repr, dict.fromkeys(items)))}, and nothing says for "
            f"which modality {plain[0]!r} is",
            remedy="Name one layer for each modality: --layer "
            + " ".join(item if "=" in item else _guessed(item) for item in dict.fromkeys(items)),
        )
    return pairs(items, "--layer") or None


def patterns(items: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return modality → patterns of ``MODALITY=PATTERN`` arguments."""
    found: dict[str, list[str]] = {}
    for item in items:
        name, equals, pattern = item.partition("=")
        if not (name and equals and pattern):
            raise UsageError(
                f"--exclude {item}: say in which modality",
                remedy=f"Write it as --exclude {shlex.quote(f'adt={pattern or item}')}",
            )
        found.setdefault(name, []).append(pattern)
    return {name: tuple(dict.fromkeys(patterns)) for name, patterns in found.items()}
