"""Models are found by their folders, however a place is written."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from multiverse.errors import SpecError, UsageError
from multiverse.registry.models import BUILT_IN, find_models, hidden_models, model_folders
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


def fork(place: Path, name: str = "pca") -> Path:
    """A model of somebody's own that is called as a built-in one."""
    folder = place / name
    folder.mkdir(parents=True)
    text = (NAUGHTY / "model.yaml").read_text().replace("name: naughty", f"name: {name}")
    (folder / "model.yaml").write_text(text)
    return folder


def test_a_model_that_stands_for_another_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, mine, other = BUILT_IN / "pca", fork(tmp_path / "a"), fork(tmp_path / "b")
    assert hidden_models() == []
    assert hidden_models([mine]) == [f"pca is the model in {mine}, not the built-in pca"]
    assert hidden_models([mine.parent], ["mofa"]) == []
    assert hidden_models([ours, BUILT_IN]) == [], "it is the same one"
    assert hidden_models([mine, mine.parent, mine]) == hidden_models([mine])
    (said,) = hidden_models([mine, other], ["pca"])
    assert said == f"pca is the model in {other}, not the built-in pca and the one in {mine}"
    assert find_models(["pca"], [mine, other])["pca"].folder == other
    monkeypatch.setenv("MULTIVERSE_MODELS", str(mine.parent))
    assert hidden_models() == [f"pca is the model in {mine}, not the built-in pca"]
    assert not find_models(["pca"])["pca"].built_in
    assert find_models(["mofa"])["mofa"].built_in


def test_a_place_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "absent", Path("/proc/self/mem")):
        with pytest.raises(UsageError, match=re.escape(str(place))):
            model_folders([place])
    (tmp_path / "models" / "piped").mkdir(parents=True)
    os.mkfifo(tmp_path / "models" / "piped" / "model.yaml")
    with pytest.raises(SpecError, match="is a FIFO"):
        find_models(["piped"], [tmp_path / "models"])
