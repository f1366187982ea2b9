"""JSON Schemas of a model's settings: somebody else's text, checked and applied within bounds.

``jsonschema`` applies them. What it does without bounds is refused before, or done otherwise:

- references lead to other parts of the same schema, and never in a circle; nothing is fetched;
- what a schema says with all that it refers to is counted, and so is the work of applying it to
  values: parts × values, at most;
- patterns and ``uniqueItems`` take linear time: :mod:`multiverse.specs.linear_keywords`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import unquote

from pydantic import JsonValue

from multiverse.specs.linear_keywords import PatternError, compiled, linear_validator, no_registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: Parts of a schema, each counted wherever it is referred to.
MAX_PARTS = 5_000
#: How deep parts may stand in each other, through references too: Python's stack has an end.
MAX_DEPTH = 50
#: Parts × values that may be looked at in one validation: a second or two.
MAX_WORK = 1_000_000
MAX_PATTERN = 500
#: Findings of one validation; each may repeat a value that is long.
MAX_FINDINGS = 20
#: Characters of text that count as one value more.
TEXT_SHARE = 16

_ONE = ("items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else")
_SOME = ("prefixItems", "allOf", "anyOf", "oneOf")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_REFUSED = frozenset(
    {"$schema", "$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef",
     "$recursiveAnchor", "$vocabulary", "unevaluatedItems", "unevaluatedProperties"}
)  # fmt: skip

Place = tuple[str | int, ...]
_Parts = dict[Place, Any]


class SchemaProblem(ValueError):
    """A schema that can't be used. ``place``: keys and indices that lead to the part."""

    def __init__(self, message: str, place: Place = ()) -> None:
        super().__init__(message)
        self.place = place


def checked(schema: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return a schema of settings that can be applied within bounds.

    Raises :class:`SchemaProblem` for one that can't, and for what is no schema of an object whose
    properties each have a default.
    """
    schema = dict(schema)
    if schema.get("$schema") == DIALECT:
        del schema["$schema"]
    parts = dict(islice(_parts(schema, ()), MAX_PARTS + 1))
    if len(parts) > MAX_PARTS:
        raise SchemaProblem(f"has more than {MAX_PARTS:,} parts")
    _check_form(schema)
    for place, part in parts.items():
        _check_part(part, place)
    sizes: dict[Place, int] = {}
    size = _size((), parts, sizes, ())
    if size > MAX_PARTS:
        raise SchemaProblem(f"has more than {MAX_PARTS:,} parts with all that they refer to")
    _check_defaults(schema)
    return {"additionalProperties": False, **schema}


def findings(
    schema: Mapping[str, JsonValue], values: Mapping[str, Any]
) -> list[tuple[tuple[str | int, ...], str]]:
    """Return what is wrong with the values of settings: where, and in words; the first of many.

    ``schema``: as :func:`checked` returned it. Values that are too many to be looked at with
    everything that it says are a finding too.
    """
    if work(schema, values) > MAX_WORK:
        return [((), "are too many values, or too long ones, for what their schema says")]
    errors = linear_validator()(schema, registry=no_registry()).iter_errors(values)
    return [
        (tuple(error.absolute_path), str(error.message)) for error in islice(errors, MAX_FINDINGS)
    ]


def allows(schema: Mapping[str, JsonValue], name: str, value: Any) -> bool:
    """Return whether one setting may have that value, whatever the others have."""
    properties = schema.get("properties")
    part = properties.get(name, True) if isinstance(properties, dict) else True
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    try:
        return not findings({**shared, "properties": {name: part}}, {name: value})
    except SchemaProblem:  # it refers to other settings, which are not there
        return False


def work(schema: Mapping[str, JsonValue], values: Mapping[str, Any]) -> int:
    """Return a bound of the parts that are looked at, once for each value that they may concern."""
    parts = dict(_parts(schema, ()))
    sizes: dict[Place, int] = {}
    whole = _size((), parts, sizes, ())
    properties = schema.get("properties")
    known = properties.keys() if isinstance(properties, dict) else set()
    own = {name: sizes.get(("properties", name), 1) for name in known}
    rest = whole - sum(own.values())
    alone = sum(size * _weight(values[name]) for name, size in own.items() if name in values)
    return rest * _weight(dict(values)) + alone


def _weight(node: Any) -> int:
    """Return the number of values in a value, text by its length."""
    if isinstance(node, dict):
        return 1 + sum(_weight(key) + _weight(value) for key, value in node.items())
    if isinstance(node, list | tuple):
        return 1 + sum(map(_weight, node))
    return 1 + len(node) // TEXT_SHARE if isinstance(node, str) else 1


def _parts(schema: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Yield every part that is a schema itself, whether or not it is a right one."""
    yield place, schema
    if not isinstance(schema, Mapping):
        return
    for key in _ONE:
        if key in schema:
            yield from _parts(schema[key], (*place, key))
    for key in (*_SOME, *_NAMED):
        within = schema.get(key)
        if key in _SOME and isinstance(within, list):
            for number, part in enumerate(within):
                yield from _parts(part, (*place, key, number))
        elif key in _NAMED and isinstance(within, dict):
            for name, part in within.items():
                yield from _parts(part, (*place, key, name))


def _check_form(schema: Mapping[str, JsonValue]) -> None:
    """Check it against the schema of schemas, but for formats: patterns have an engine of ours."""
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        place = tuple(error.absolute_path)
        raise SchemaProblem(f"is not a JSON Schema: {error.message}", place) from error


def _check_part(part: Any, place: Place) -> None:
    if not isinstance(part, dict):
        return
    if refused := sorted(_REFUSED & part.keys()):
        raise SchemaProblem(
            f"{refused[0]} is not supported in the settings of a model", (*place, refused[0])
        )
    reference = part.get("$ref")
    if reference is not None and not str(reference).startswith("#"):
        raise SchemaProblem(
            f"$ref {str(reference)[:80]!r} leads out of this file, and nothing is fetched: "
            "refer to a part of the same schema, such as #/$defs/name",
            (*place, "$ref"),
        )
    if "pattern" in part:
        _check_pattern(part["pattern"], (*place, "pattern"))
    for pattern in part.get("patternProperties", ()):
        _check_pattern(pattern, (*place, "patternProperties", pattern))


def _check_pattern(pattern: str, place: Place) -> None:
    if len(pattern) > MAX_PATTERN:
        raise SchemaProblem(f"is a pattern of more than {MAX_PATTERN} characters", place)
    try:
        compiled(pattern)
    except PatternError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1].removeprefix("SchemaError: ").removeprefix("error: ")
        raise SchemaProblem(f"is no pattern that can be used: {reason}", place) from error


def _size(place: Place, parts: _Parts, sizes: dict[Place, int], above: tuple[Place, ...]) -> int:
    """Return the number of parts in a part, with those that are referred to; kept in ``sizes``.

    Raises :class:`SchemaProblem` for references that lead nowhere, or in a circle.
    """
    if place in sizes:
        return sizes[place]
    if place in above:
        raise SchemaProblem("its $ref lead in a circle", place)
    if len(above) >= MAX_DEPTH:
        raise SchemaProblem(f"stands more than {MAX_DEPTH} parts deep in others", place)
    part, total = parts[place], 1
    if isinstance(part, dict):
        total += _own_size(part)
        for inner in _inner(part, place):
            total += _size(inner, parts, sizes, (*above, place))
        if "$ref" in part:
            target = _target(str(part["$ref"]), parts, (*place, "$ref"))
            total += _size(target, parts, sizes, (*above, place))
    if total > 2**62:
        raise SchemaProblem(f"has more than {MAX_PARTS:,} parts with all that they refer to", place)
    sizes[place] = total
    return total


def _inner(part: Mapping[str, Any], place: Place) -> Iterator[Place]:
    """Yield the places of the parts that stand in a part itself."""
    for key in _ONE:
        if key in part:
            yield (*place, key)
    for key in _SOME:
        if isinstance(part.get(key), list):
            yield from ((*place, key, number) for number in range(len(part[key])))
    for key in _NAMED:
        if isinstance(part.get(key), dict):
            yield from ((*place, key, name) for name in part[key])


def _own_size(part: Mapping[str, Any]) -> int:
    """Return what a part asks besides its inner ones: of patterns as much as they mean."""
    listed = sum(_weight(part[key]) for key in ("enum", "const", "required", "type") if key in part)
    patterns = [part[key] for key in ("pattern",) if key in part]
    patterns += part.get("patternProperties", ())
    return len(part) + listed + sum(map(_meaning, patterns))


def _meaning(pattern: str) -> int:
    """Return a bound of the characters that a pattern stands for: ``(a{10}b){10}`` for 110."""
    size = len(pattern)
    for least, most in re.findall(r"\{([0-9]+)(?:,([0-9]*))?\}", pattern):
        size *= max(1, int(most or least))
    return size // TEXT_SHARE


def _target(reference: str, parts: _Parts, place: Place) -> Place:
    """Return the place that a JSON pointer leads to, if there is a schema."""
    steps: list[str | int] = []
    node: Any = parts[()]
    for step in unquote(reference[1:]).split("/")[1:]:
        if isinstance(node, list) and step.isascii() and step.isdigit() and len(step) < 6:
            steps.append(int(step))
        else:
            steps.append(step.replace("~1", "/").replace("~0", "~"))
        try:
            node = node[steps[-1]]
        except (LookupError, TypeError):
            break
    else:
        found = tuple(steps)
        if found in parts and (reference == "#" or reference.startswith("#/")):
            return found
    raise SchemaProblem(f"$ref {reference[:80]!r} leads to no schema of this file", place)


def _check_defaults(schema: Mapping[str, JsonValue]) -> None:
    if schema.get("type") != "object":
        raise SchemaProblem("must be a JSON Schema of type object")
    properties = schema.get("properties", {})
    named = properties if isinstance(properties, dict) else {}
    lacking = [
        name for name, part in named.items() if not (isinstance(part, dict) and "default" in part)
    ]
    if lacking:
        raise SchemaProblem(f"needs a default for {', '.join(lacking)}")
    defaults = {name: part["default"] for name, part in named.items() if isinstance(part, dict)}
    if work(schema, defaults) > MAX_WORK:
        raise SchemaProblem("has defaults that are too many, or too long, for what it says of them")
