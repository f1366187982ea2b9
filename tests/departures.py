"""The defaults that a model's page lists as not its library's, read from the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiverse.specs.model import ModelSpec
from tests.conftest import REPOSITORY

MODELS = REPOSITORY / "multiverse" / "models"


@dataclass(frozen=True)
class Departure:
    """A row of the table: the default here, that of the library, both as written, and why."""

    here: str
    library: str
    why: str


def departures(model: str) -> dict[str, Departure]:
    """Setting → its row in the table of ``docs/models/<model>.md``."""
    lines = (REPOSITORY / "docs" / "models" / f"{model}.md").read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| default | here |")) + 2
    found = {}
    for line in lines[start:]:
        if not line.startswith("| "):
            break
        setting, here, library, why = (cell.strip() for cell in line.strip("| ").split(" | "))
        found[setting.strip("`")] = Departure(here.strip("`"), library.strip("`"), why)
    return found


def defaults(model: str) -> Mapping[str, Any]:
    """Every setting that the model declares, with its default."""
    spec = ModelSpec.load(MODELS / model)
    return {**spec.defaults("parameters"), **spec.defaults("preprocessing")}


def as_value(text: str) -> Any:
    """A value as it is written in the table: JSON, or a word."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def differing(model: str, library: Mapping[str, Any]) -> dict[str, Any]:
    """Setting → the library's default, where ours is another. ``library``: by our names."""
    ours = defaults(model)
    assert library.keys() <= ours.keys()
    return {name: value for name, value in library.items() if ours[name] != value}


def check_departures(model: str, library: Mapping[str, Any]) -> None:
    """The page lists each default that is not the library's, with the library's value."""
    listed = departures(model)
    found = differing(model, library)
    assert found.keys() <= listed.keys(), "a default differs, and the page does not say so"
    for name, value in found.items():
        if value is not None:
            assert as_value(listed[name].library) == value, name
    same = [name for name in library if name in listed and name not in found]
    assert all(as_value(listed[name].library) == library[name] for name in same), same
