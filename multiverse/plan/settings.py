"""Settings of a model: what the user gave, checked against its schema, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from multiverse.specs.model import ModelSpec
from multiverse.specs.settings_schema import MAX_FINDINGS, findings
from multiverse.specs.yaml_file import shortened, suggestion

Part = Literal["parameters", "preprocessing"]


def resolve(
    model: ModelSpec, part: Part, given: Mapping[str, Any]
) -> tuple[Mapping[str, Any], list[tuple[str, str]]]:
    """Return resolved settings, and findings as (setting name, message); nothing is coerced."""
    declared = model.defaults(part)
    known = {name: value for name, value in given.items() if name in declared}
    word = "parameter" if part == "parameters" else "preprocessing setting"
    unknown = [name for name in given if name not in declared]
    wrong = [
        (name, f"{model.name} has no {word} {shortened(name)!r}{suggestion(name, declared)}")
        for name in unknown[:MAX_FINDINGS]
    ]
    resolved = {**declared, **known}
    for place, message in findings(getattr(model.yaml, part), resolved):
        name = str(place[0]) if place else ""
        wrong.append((name, f"{word} {name!r} of {model.name}: {shortened(message)}"))
    return MappingProxyType(resolved), wrong
