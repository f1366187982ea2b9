"""Models are found by their folders, however a place is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.registry.models import find_models, model_folders
from multiverse.specs.model import ModelSpec
from tests.conftest import TEST_MODELS

NAUGHTY = TEST_MODELS / "naughty"


@pytest.mark.parametrize(
    ("here", "place"),
    [(NAUGHTY, "."), (TEST_MODELS, "."), (NAUGHTY, ".."), (NAUGHTY, "../naughty")],
)
def test_a_place_is_relative_to_where_one_is(
    here: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    assert find_models(["naughty"], [Path(place)])["naughty"].folder == NAUGHTY
    assert "" not in model_folders([Path(place)])
    monkeypatch.setenv("MULTIVERSE_MODELS", place)
    assert find_models(["naughty"])["naughty"] == ModelSpec.load(NAUGHTY)
