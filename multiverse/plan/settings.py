"""Settings of a model: what the user gave, checked against its schema, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from multiverse.specs.model import ModelSpec
from multiverse.specs.yaml_file import suggestion

Part = Literal["parameters", "preprocessing"]


def resolve(
    model: ModelSpec, part: Part, given: Mapping[str, Any]
) -> tuple[Mapping[str, Any], list[tuple[str, str]]]:
    """Return resolved settings, and findings as (setting name, message); nothing is coerced."""
    from jsonschema import Draft202012Validator

    declared = model.defaults(part)
    known = {name: value for name, value in given.items() if name in declared}
    word = "parameter" if part == "parameters" else "preprocessing setting"
    findings = [
        (name, f"{model.name} has no {word} {name!r}{suggestion(name, declared)}")
        for name in given
        if name not in declared
    ]
    resolved = {**declared, **known}
    for error in Draft202012Validator(getattr(model.yaml, part)).iter_errors(resolved):
        name = str(error.absolute_path[0]) if error.absolute_path else ""
        findings.append((name, f"{word} {name!r} of {model.name}: {error.message}"))
    return MappingProxyType(resolved), findings
