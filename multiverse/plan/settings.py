"""Settings of a model: what the user gave, checked against its schema, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from multiverse.specs.model import ModelSpec
from multiverse.specs.yaml_file import suggestion

Part = Literal["parameters", "preprocessing"]


def resolve(
    model: ModelSpec, part: Part, given: Mapping[str, Any]
) -> tuple[Mapping[str, Any], list[tuple[str, str]]]:
    """Resolved settings, and findings as (setting name, message); nothing is coerced."""
    declared = model.defaults(part)
    known = {name: value for name, value in given.items() if name in declared}
    word = "parameter" if part == "parameters" else "preprocessing setting"
    findings = [
        (name, f"{model.name} has no {word} {name!r}{suggestion(name, declared)}")
        for name in given
        if name not in declared
    ]
    resolved = {**declared, **known}
    for error in _validator(model.folder, part, model).iter_errors(resolved):
        name = str(error.absolute_path[0]) if error.absolute_path else ""
        findings.append((name, f"{word} {name!r} of {model.name}: {error.message}"))
    return MappingProxyType(resolved), findings


_validators: dict[tuple[str, str], Any] = {}


@cache
def _validator_class() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator


def _validator(folder: Any, part: Part, model: ModelSpec) -> Any:
    key = (str(folder), part)
    if key not in _validators:
        _validators[key] = _validator_class()(getattr(model.yaml, part))
    return _validators[key]
