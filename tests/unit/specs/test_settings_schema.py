"""Schemas of settings: applied as jsonschema does, but for what it would fetch or never end."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from multiverse.specs.settings_schema import SchemaProblem, allows, checked, findings

VALUES: list[Any] = [
    None, True, False, 0, 1, 1.0, -2, 2.5, 7, "", "a", "ab", "aab", [], [1, 1], [1, True], [1, 1.0],
    [0, False], ["a", "b"], [[1], [1]], [{"a": 1}, {"a": 1.0}], {}, {"a": 1}, {"b": "x", "a": 2},
]  # fmt: skip
SCHEMAS: list[dict[str, Any]] = [
    {"type": "integer", "minimum": 0},
    {"type": ["string", "null"]},
    {"enum": [1, "a", None]},
    {"const": 1},
    {"multipleOf": 0.5},
    {"pattern": "^a+$"},
    {"pattern": "b"},
    {"minLength": 2},
    {"uniqueItems": True},
    {"items": {"type": "integer"}},
    {"prefixItems": [{"const": 1}]},
    {"contains": {"const": True}},
    {"patternProperties": {"^a": {"type": "integer"}}},
    {"properties": {"a": {}}, "additionalProperties": False},
    {"patternProperties": {"^a": {}}, "additionalProperties": {"type": "string"}},
    {"patternProperties": {"^a": {}, "b": {}}, "additionalProperties": False},
    {"propertyNames": {"pattern": "^a"}},
    {"required": ["a"]},
    {"dependentRequired": {"a": ["b"]}},
    {"anyOf": [{"type": "integer"}, {"type": "array"}]},
    {"oneOf": [{"minimum": 1}, {"maximum": 1}]},
    {"not": {"type": "string"}},
    {"if": {"type": "array"}, "then": {"minItems": 1}, "else": {"enum": [1]}},
    {"$ref": "#/$defs/small"},
    {"allOf": [{"$ref": "#/$defs/names~1all/items"}]},
]
DEFS = {"small": {"type": "number", "maximum": 2}, "names/all": {"items": {"type": "string"}}}


@pytest.mark.parametrize("part", SCHEMAS, ids=str)
def test_it_allows_what_jsonschema_allows(part: dict[str, Any]) -> None:
    whole = checked({"type": "object", "properties": {"x": {**part, "default": 1}}, "$defs": DEFS})
    usual = Draft202012Validator(whole)
    for value in VALUES:
        found = findings(whole, {"x": value})
        assert bool(found) != usual.is_valid({"x": value}), value
        assert all(place[0] == "x" and words for place, words in found)
        assert allows(whole, "x", value) != bool(found)


@given(st.sampled_from(VALUES), st.lists(st.sampled_from(SCHEMAS), min_size=2, max_size=4))
def test_parts_together(value: Any, parts: list[dict[str, Any]]) -> None:
    setting = {"allOf": parts[1:], **parts[0], "default": None}
    whole = checked({"type": "object", "properties": {"x": setting}, "$defs": DEFS})
    usual = Draft202012Validator(whole)
    assert bool(findings(whole, {"x": value})) != usual.is_valid({"x": value})


@pytest.mark.parametrize("key", ["$ref", "$dynamicRef", "$id", "$schema"])
@pytest.mark.parametrize("place", ["setting", "items", "definition", "whole"])
def test_nothing_is_fetched(key: str, place: str) -> None:
    """Whoever would be asked is there, and is not asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        part: dict[str, Any] = {
            key: f"http://127.0.0.1:{server.getsockname()[1]}/x.json",
            "default": 1,
        }
        setting = {"items": part, "default": [1]} if place == "items" else part
        schema: dict[str, Any] = {"type": "object", "properties": {"x": setting}}
        if place == "definition":
            schema = {"type": "object", "properties": {}, "$defs": {"x": part}}
        if place == "whole":
            schema = {"type": "object", **part}
        with pytest.raises(SchemaProblem):
            checked(schema)
        # Nor where it was never checked: what is validated against knows no way out.
        with pytest.raises(SchemaProblem):
            findings({"properties": {"x": {"$ref": part[key]}}}, {"x": 1})
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_setting_of_a_schema_says_its_dialect() -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
    assert checked(schema) == {"type": "object", "additionalProperties": False}


def test_patterns_end_where_the_text_ends() -> None:
    """As JSON Schema has it; for Python, ``$`` also stands before a last line's end."""
    whole = checked({"type": "object", "properties": {"x": {"pattern": "^a$", "default": "a"}}})
    assert not findings(whole, {"x": "a"})
    assert findings(whole, {"x": "a\n"})


def test_too_many_values_of_a_user_are_a_finding() -> None:
    parts = {"allOf": [{"type": "string"}] * 100, "default": []}
    whole = checked({"type": "object", "properties": {"x": parts}})
    ((place, words),) = findings(whole, {"x": [1] * 100_000})
    assert place == ()
    assert "too many values" in words
