"""Models are found by their folders, however a place is written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from multiverse.errors import SpecError
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


def test_no_model_is_called_what_the_evaluator_is(tmp_path: Path) -> None:
    """``multiverse build evaluate`` would mean either."""
    folder = tmp_path / "evaluate"
    shutil.copytree(NAUGHTY, folder)
    yaml = (folder / "model.yaml").read_text()
    (folder / "model.yaml").write_text(yaml.replace("name: naughty", "name: evaluate"))
    with pytest.raises(SpecError, match="what the evaluator is called"):
        ModelSpec.load(folder)
