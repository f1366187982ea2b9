"""Other values for a declared setting: valid by its schema, different, and rather cheap to run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from multiverse.plan.settings import Part
from multiverse.specs.model import ModelSpec
from multiverse.specs.settings_schema import allows

#: A key of a setting's schema: its value in trials, such as fewer epochs than a result needs.
TRIAL = "x-trial"
#: Tried in turn for numbers; where the default says nothing (null, 0) the last ones are left.
_FACTORS = (0.5, 0.02, 2)
_NUMBERS = (5, 3, 2, 1, 0.5, 0.1)


def trial_settings(model: ModelSpec, part: Part) -> dict[str, Any]:
    """Return every setting with its default, or with ``x-trial`` where its schema has that."""
    properties = getattr(model.yaml, part).get("properties", {})
    return {name: schema.get(TRIAL, schema["default"]) for name, schema in properties.items()}


def other_values(whole: Mapping[str, Any], name: str, current: Any) -> list[Any]:
    """Return at most two values that one setting may have and that are not ``current``.

    ``whole``: the schema of all settings. Empty where none can be guessed: free text without
    ``enum``, or only one value is allowed.
    """
    found: list[Any] = []
    for value in _candidates(whole["properties"][name], current):
        if not _same(value, current) and value not in found and allows(whole, name, value):
            found.append(value)
    return found[:2]


def _candidates(schema: Mapping[str, Any], current: Any) -> Iterator[Any]:
    yield from schema.get("enum", ())
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "boolean" in kinds:
        yield not current
    if "integer" in kinds or "number" in kinds:
        yield from _numbers(schema, current, whole="number" not in kinds)
    if "null" in kinds:
        yield None


def _numbers(schema: Mapping[str, Any], current: Any, *, whole: bool) -> Iterator[float]:
    numbers: list[float] = []
    if isinstance(current, int | float) and not isinstance(current, bool):
        numbers += [current * factor for factor in _FACTORS]
        numbers += [current - 1, current + 1]
    numbers += _NUMBERS
    numbers += [schema[key] for key in ("minimum", "maximum") if key in schema]
    for number in numbers:
        yield round(number) if whole else number


def _same(value: Any, other: Any) -> bool:
    """Return whether two values are equal, telling True from 1."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)
