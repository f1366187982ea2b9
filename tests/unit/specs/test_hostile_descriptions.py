"""model.yaml and benchmark.yaml of a stranger: taken or refused in words, in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiverse.specs.yaml_file import MAX_PROBLEMS
from tests.unit.specs.description_reader import Answer, DescriptionReader

HEAD = """\
name: mine
version: 1.0.0
title: t
image: mine
modalities: {optional: [rna]}
"""
ALWAYS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DescriptionReader]:
    found = DescriptionReader(tmp_path_factory.mktemp("descriptions"))
    yield found
    found.close()


def with_schema(schema: Any) -> str:
    return HEAD + f"parameters: {json.dumps(schema)}\n"


def with_setting(part: Any, **rest: Any) -> str:
    return with_schema({"type": "object", "properties": {"x": part}, **rest})


def refused(reader: DescriptionReader, text: str, kind: str = "model") -> Answer:
    answer = reader.read(kind, text)
    assert not answer.taken
    assert len(answer.words) < 100_000, "somebody has to read it"
    return answer


def chain(first: str, following: str, levels: int) -> str:
    """Lines of which each one refers to the one before."""
    lines = [first.format(this="a0")]
    names = [(f"a{n}", f"a{n + 1}") for n in range(levels)]
    return "\n".join([*lines, *(following.format(last=a, this=b) for a, b in names)]) + "\n"


BOMBS = {
    "sequences": chain("{this}: &{this} [x, x]", "{this}: &{this} [*{last}, *{last}]", 60),
    "wide": chain("{this}: &{this} [x]", "{this}: &{this} [" + "*{last}, " * 200 + "]", 4),
    "mappings": chain("{this}: &{this} {{k: v}}", "{this}: &{this} {{a: *{last}, b: *{last}}}", 60),
    "keys": chain("{this}: &{this} [x, x]", "? &{this} [*{last}, *{last}]\n: {this}", 60),
    "sets": chain("{this}: &{this} [x]", "{this}: &{this} !!set {{? [*{last}, *{last}]}}", 60),
    "merged": chain(
        "{this}: &{this} {{k: v}}", "{this}: &{this} {{<<: [*{last}, *{last}], {this}: v}}", 60
    ),
    "text": f"a: &a {'x' * 500_000}\nb: [{'*a, ' * 5_000}]\n",
    "text of a literal": f"a: &a |\n  {'x' * 500_000}\nb: [{'*a, ' * 5_000}]\n",
    "itself": "a: &a [*a]\n",
    "its own key": "a: &a {? *a : 1}\n",
    "as parameters": HEAD
    + chain("v: &a0 [x]", "w{this}: &{this} [*{last}, *{last}]", 40)
    + "parameters: {type: object, properties: {x: {default: *a40}}}\n",
}


@pytest.mark.parametrize("kind", ["model", "benchmark"])
@pytest.mark.parametrize("name", BOMBS)
def test_what_aliases_stand_for_is_counted(reader: DescriptionReader, name: str, kind: str) -> None:
    assert "alias" in (said := refused(reader, BOMBS[name], kind).words) or "means more" in said


def test_aliases_that_somebody_would_write_are_taken(reader: DescriptionReader) -> None:
    text = "datasets: [a, b]\nmodels:\n- {model: pca, resources: &r {cpus: 2}}\n"
    assert reader.read("benchmark", text + "- {model: mofa, resources: *r}\n").taken


DEEP = {
    "flow": "a: " + "[" * 50_000,
    "closed flow": "a: " + "[" * 500 + "]" * 500,
    "flow mappings": "a: " + "{a: " * 500 + "}" * 500,
    "block": "\n".join(" " * n + "a:" for n in range(500)) + " 1\n",
    "dashes": "- " * 1000 + "x\n",
    "questions": "? " * 1000 + "x\n",
    "schema": with_setting(json.loads('{"not": ' * 60 + "{}" + "}" * 60) | {"default": 1}),
    "many values": "a: [" + "x, " * 300_000 + "]",
    "many lines": "- x\n" * 250_000,
    "too large": "#" * 5_000_000,
    "many keys": "".join(f"k{n}: 1\n" for n in range(15_000)),
    "many names": "models: [" + "{a: 1}, " * 6_000 + "]\n",
}


@pytest.mark.parametrize("kind", ["model", "benchmark"])
@pytest.mark.parametrize("name", DEEP)
def test_depth_and_number_are_bounded(reader: DescriptionReader, name: str, kind: str) -> None:
    answer = refused(reader, DEEP[name], kind)
    assert len(answer.problems) <= MAX_PROBLEMS + 1


NUMBERS = {
    "digits": "9" * 100_000, "hexadecimal": "0x" + "f" * 100_000, "octal": "0o" + "7" * 100_000,
    "binary": "0b" + "1" * 100_000, "under": "1_" * 50_000 + "1", "65 bits": "0x1" + "0" * 16,
    "exponent": "1e999999999", "fraction": "1." + "1" * 100_000, "infinite": ".inf",
    "less": "-.inf", "none": ".nan",
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_no_record_can_keep(reader: DescriptionReader, name: str) -> None:
    start = HEAD + "parameters:\n  type: object\n  properties:\n    x:\n      default: "
    (problem,) = refused(reader, f"{start}{NUMBERS[name]}\n").problems
    assert problem[0] == 10
    text = f"datasets: [a]\nmodels:\n- model: pca\n  parameters:\n    n: {NUMBERS[name]}\n"
    (problem,) = refused(reader, text, "benchmark").problems
    assert problem[0] == 5


SEXAGESIMAL = f"%YAML 1.1\n---\na: 1{':59' * 200_000}\n"
NO_TEXT = ('a: "\\0"\n', 'a: "\\ud800"\n', "a: \udc80\n", "\0", "\ufeff\ufeff", SEXAGESIMAL)


@pytest.mark.parametrize("text", NO_TEXT, ids=["nul", "surrogate", "bytes", "raw", "marks", "base"])
def test_what_is_no_text(reader: DescriptionReader, text: str) -> None:
    refused(reader, text)


def shared(levels: int, form: str) -> dict[str, Any]:
    """Definitions of which each one refers twice to the next."""
    names = {f"d{n}": {form: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**names, f"d{levels}": {}}}


REFERENCES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "http": ({"$ref": "http://127.0.0.1:9/x.json"}, {}, "nothing is fetched"),
    "file": ({"$ref": "file:///etc/passwd"}, {}, "nothing is fetched"),
    "relative": ({"$ref": "other.json"}, {}, "nothing is fetched"),
    "metaschema": (
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {},
        "nothing is fetched",
    ),
    "of one item": ({"items": {"$ref": "http://127.0.0.1:9/x.json"}}, {}, "nothing is fetched"),
    "of patterns": ({"patternProperties": {"a": {"$ref": "//host/x"}}}, {}, "nothing is fetched"),
    "dynamic": ({"$dynamicRef": "http://127.0.0.1:9/x"}, {}, "not supported"),
    "identity": ({"$id": "http://127.0.0.1:9/x"}, {}, "not supported"),
    "anchor": ({"$ref": "#here"}, {}, "leads to no schema"),
    "nowhere": ({"$ref": "#/$defs/none"}, {}, "leads to no schema"),
    "no schema": ({"$ref": "#/properties/x/default"}, {}, "leads to no schema"),
    "a list": ({"anyOf": [{}], "$ref": "#/properties/x/anyOf"}, {}, "leads to no schema"),
    "last item": ({"anyOf": [{}], "$ref": "#/properties/x/anyOf/-1"}, {}, "leads to no schema"),
    "itself": ({"$ref": "#/properties/x"}, {}, "circle"),
    "the whole": ({"$ref": "#"}, {}, "circle"),
    "a tree": ({"$ref": "#/$defs/t"}, {"$defs": {"t": {"items": {"$ref": "#/$defs/t"}}}}, "circle"),
    "twice each": ({"$ref": "#/$defs/d0"}, shared(20, "allOf"), "more than 5,000 parts"),
    "any of twice": ({"$ref": "#/$defs/d0"}, shared(14, "anyOf"), "more than 5,000 parts"),
    "a long chain": ({"$ref": "#/$defs/d0"}, shared(500, "oneOf"), "deep"),
    "another dialect": (
        {"$schema": "http://json-schema.org/draft-07/schema#"},
        {},
        "not supported",
    ),
    "the rest": ({"unevaluatedProperties": {"$ref": "#"}}, {}, "not supported"),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_references_stay_within_the_file(reader: DescriptionReader, name: str) -> None:
    part, rest, words = REFERENCES[name]
    (problem,) = refused(reader, with_setting({"default": 1, **part}, **rest)).problems
    assert words in problem[2]
    assert problem[0] == 6, "the line is said"


def test_the_line_of_a_reference_is_said(reader: DescriptionReader) -> None:
    text = HEAD + "parameters:\n  type: object\n  properties:\n    x:\n      default: 1\n"
    (problem,) = refused(reader, f"{text}      $ref: http://127.0.0.1:9/x\n").problems
    assert problem[:2] == (11, "parameters.properties.x.$ref")


PATTERNS = {
    "nested": "^(a+)+$", "alternatives": "^(a|a)*$", "overlapping": "^(a|aa)+$", "stars": "a*" * 40,
    "classes": r"^([a-z]+\s?)+$", "words": r"(\w+)+$", "lazy": "^(a+?)+?$",
}  # fmt: skip


@pytest.mark.parametrize("key", ["pattern", "patternProperties", "propertyNames", "additional"])
@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_take_linear_time(reader: DescriptionReader, name: str, key: str) -> None:
    """Each would take Python's own engine longer than there is."""
    text, pattern = "a" * 900 + "!", PATTERNS[name]
    parts: dict[str, dict[str, Any]] = {
        "pattern": {"pattern": pattern, "default": text},
        "patternProperties": {"patternProperties": {pattern: False}, "default": {text: 1}},
        "propertyNames": {"propertyNames": {"pattern": pattern}, "default": {text: 1}},
        "additional": {
            "patternProperties": {pattern: {}}, "additionalProperties": False, "default": {text: 1}
        },
    }  # fmt: skip
    assert reader.read("model", with_setting(parts[key])).taken


@pytest.mark.parametrize(
    "pattern", ["(?=a)b", r"(a)\1", "[", "(a{1000}){1000}", "a" * 501, "(?P<a"]
)
def test_patterns_that_no_linear_engine_knows(reader: DescriptionReader, pattern: str) -> None:
    parts: list[dict[str, Any]] = [{"pattern": pattern}, {"patternProperties": {pattern: {}}}]
    for part in parts:
        (problem,) = refused(reader, with_setting({"default": "a", **part})).problems
        assert "pattern" in problem[2]
    refused(reader, with_setting({"default": "a", "format": "regex", "pattern": pattern}))


HEAVY = {
    "properties": with_schema(
        {"type": "object", "properties": {f"p{n}": {"default": 1} for n in range(6_000)}}
    ),
    "parts × items": with_setting(
        {"items": {"allOf": [{"type": "string"}] * 500}, "default": [1] * 5_000}
    ),
    "choices × items": with_setting({"items": {"enum": [*range(4_000)]}, "default": [-1] * 5_000}),
    "states × text": with_setting(
        {"pattern": "(?:[a-z]{1,1000}){1,90}$", "default": "a" * 500_000}
    ),
    "no defaults": with_schema(
        {"type": "object", "properties": {f"p{n}" * 20: {} for n in range(3_000)}}
    ),
}


@pytest.mark.parametrize("name", HEAVY)
def test_work_is_bounded_before_it_is_done(reader: DescriptionReader, name: str) -> None:
    refused(reader, HEAVY[name])


LIGHT = {
    "unlike items": {
        "uniqueItems": True,
        "default": [x for n in range(4_000) for x in (n, f"{n}")],
    },
    "tiny steps": {"multipleOf": 5e-324, "default": 1e308},
    "tiny step": {"multipleOf": 1e-300, "default": 1e10},
    "large text": {"default": "x" * 900_000},
    "choices": {"enum": [*range(2_000)], "default": 1},
}


@pytest.mark.parametrize("name", LIGHT)
def test_what_is_large_but_simple_is_taken(reader: DescriptionReader, name: str) -> None:
    assert reader.read("model", with_setting(LIGHT[name])).taken


def test_long_text_may_begin_with_a_digit(reader: DescriptionReader) -> None:
    assert reader.read("model", f"{HEAD}description: 10 times {'as much ' * 100}\n").taken


LONG = ("title", "licence", "code", "description", "reimplemented", "version", "image", "name")


@pytest.mark.parametrize("field", LONG)
def test_text_that_goes_into_command_lines_is_bounded(
    reader: DescriptionReader, field: str
) -> None:
    lines = [line for line in HEAD.splitlines() if not line.startswith(f"{field}:")]
    answer = refused(reader, "\n".join([*lines, f"{field}: {'1' * 300}.0.{'y' * 60_000}"]))
    assert all(field in place for _, place, _ in answer.problems)


#: What YAML is made of, for texts that no generator of values would write.
TOKENS = st.sampled_from(
    [
        "&a ",
        "*a",
        "*a ",
        "- ",
        "? ",
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n    ",
        "!!set ",
        "!!omap ",
        "!!int ",
        "!!binary ",
        "!!timestamp ",
        "!x ",
        "!!python/name:os.system ",
        "<<: ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "|\n",
        ">-\n",
        "'",
        '"',
        "\\",
        "#",
        "%YAML 1.1\n",
        "%YAML 9.9\n",
        "%TAG ! x\n",
        "---\n",
        "...\n",
        "0x1",
        "0o8",
        "1e5",
        ".nan",
        "~",
        "true",
        "2001-01-01",
        "2001-99-99",
        "1:59",
        "=",
        "a",
        "name",
        "parameters",
        "type",
        "object",
        "properties",
        "default",
        "$ref",
        "models",
        "datasets",
        "\t",
        "\u2028",
        "\x85",
        "\x1b[31m",
        "é",
        "\U0001f600",
    ]
)


@ALWAYS
@given(
    st.lists(TOKENS, max_size=40).map("".join),
    st.booleans(),
    st.sampled_from(["model", "benchmark"]),
)
def test_any_text(reader: DescriptionReader, text: str, described: bool, kind: str) -> None:
    reader.read(kind, HEAD + text if described else text)


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-3, 2**66)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["object", "string", "a" * 40, "(a+)+$", "(?=a)", "#", "#/$defs/a", "http://h/x"]
    )
)
KEYWORDS = st.sampled_from(
    ["type", "enum", "const", "default", "minimum", "multipleOf", "pattern", "patternProperties",
     "properties", "additionalProperties", "propertyNames", "items", "prefixItems", "contains",
     "minContains", "uniqueItems", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref",
     "$defs", "definitions", "$id", "$schema", "$anchor", "$dynamicRef", "dependentSchemas",
     "dependentRequired", "required", "unevaluatedItems", "format", "maxLength", "x", "a"]
)  # fmt: skip
SCHEMAS = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYWORDS, inner, max_size=5),
    max_leaves=25,
)
PARTS = st.dictionaries(KEYWORDS, SCHEMAS, max_size=6)


@ALWAYS
@given(PARTS, st.dictionaries(st.sampled_from(["$defs", "allOf", "if", "x"]), SCHEMAS, max_size=2))
def test_any_schema(reader: DescriptionReader, part: dict[str, Any], rest: dict[str, Any]) -> None:
    reader.read("model", with_setting({"default": 1, **part}, **rest))


FIELDS = st.sampled_from(
    [
        "name",
        "datasets",
        "models",
        "seeds",
        "device",
        "resources",
        "tags",
        "output",
        "model",
        "slug",
        "path",
        "parameters",
        "preprocessing",
        "memory",
        "cpus",
        "time_limit",
        "retries",
        "modalities",
    ]
)
CONTENTS = st.recursive(
    PLAIN | st.sampled_from(["8GiB", "2h", "cuda:0", "../x", "pca"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=30,
)


@ALWAYS
@given(st.dictionaries(FIELDS, CONTENTS, max_size=6))
def test_any_benchmark(reader: DescriptionReader, content: dict[str, Any]) -> None:
    reader.read("benchmark", json.dumps(content))
