"""Keywords of JSON Schema that ``jsonschema`` applies without bounds: here in linear time.

Patterns are searched by the engine that pydantic brings (Rust's ``regex``). It knows neither
look-around nor back-references, which need more than linear time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema

__all__ = ["PatternError", "compiled", "linear_validator", "no_registry"]

#: Names that one finding repeats.
MAX_NAMES = 20


@lru_cache(maxsize=256)
def compiled(pattern: str) -> SchemaValidator:
    """Return what tells whether a pattern is in a text; :class:`PatternError` for a wrong one."""
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern is found anywhere in a text, in time linear in its length."""
    return compiled(pattern).isinstance_python(text)


@cache
def linear_validator() -> Any:
    """Return the class that applies a schema, with patterns and ``uniqueItems`` in linear time."""
    from jsonschema import Draft202012Validator, validators

    extend: Any = validators.extend
    ours = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    return extend(Draft202012Validator, ours)


@cache
def no_registry() -> Any:
    """Return a registry that knows nothing and fetches nothing."""
    from referencing import Registry

    return Registry()


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:  # noqa: ARG001
    from jsonschema.exceptions import ValidationError

    if validator.is_type(instance, "string") and not matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any  # noqa: ARG001
) -> Iterator[Any]:  # fmt: skip
    if not validator.is_type(instance, "object"):
        return
    for pattern, part in patterns.items():
        for name, value in instance.items():
            if matches(pattern, name):
                yield from validator.descend(value, part, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, part: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    if not validator.is_type(instance, "object"):
        return
    known: Mapping[str, Any] = schema.get("properties", {})
    patterns: Sequence[str] = [*schema.get("patternProperties", {})]
    extra = [
        name
        for name in instance
        if name not in known and not any(matches(pattern, name) for pattern in patterns)
    ]
    if isinstance(part, dict):
        for name in extra:
            yield from validator.descend(instance[name], part, path=name)
    elif part is False and extra:
        names = ", ".join(map(repr, extra[:MAX_NAMES]))
        yield ValidationError(f"Additional properties are not allowed ({names})")


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:  # noqa: ARG001
    from jsonschema.exceptions import ValidationError

    if not (wanted and validator.is_type(instance, "array")):
        return
    if len({_frozen(item) for item in instance}) < len(instance):
        yield ValidationError(f"{instance!r} has non-unique elements")


def _frozen(value: Any) -> Any:
    """Return a value that equals another one if both are equal in JSON: 1 and 1.0, not True."""
    if isinstance(value, dict):
        return "object", frozenset((name, _frozen(item)) for name, item in value.items())
    if isinstance(value, list):
        return "array", tuple(map(_frozen, value))
    return isinstance(value, bool), value
