"""An image built here follows its sources; the runner never runs yesterday's code in silence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from multiverse.engines.docker import DockerEngine
from multiverse.errors import ImageMissing
from multiverse.specs.model import ModelSpec
from tests.conftest import TEST_MODELS, docker_or_skip
from tests.told import notes_into

pytestmark = pytest.mark.docker


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ModelSpec]:
    """A model of its own, with an image of its own."""
    docker_or_skip()
    folder = tmp_path / "changing"
    shutil.copytree(TEST_MODELS / "naughty", folder)
    text = (folder / "model.yaml").read_text()
    text = text.replace("name: naughty", "name: changing").replace("test-naughty", "test-changing")
    (folder / "model.yaml").write_text(text)
    spec = ModelSpec.load(folder)
    yield spec
    docker.from_env().images.remove(spec.image_tag, force=True)


def test_edited_sources_are_built_anew(model: ModelSpec) -> None:
    engine = DockerEngine()
    said: list[str] = []
    with pytest.raises(ImageMissing) as caught:
        engine.prepare(model, build=False, tell=notes_into(said))
    assert "multiverse build changing" in str(caught.value.remedy)
    first = engine.prepare(model, build=True, tell=notes_into(said))
    said.clear()
    assert engine.prepare(model, build=True, tell=notes_into(said)).digest == first.digest
    assert said == []
    source = model.folder / "__main__.py"
    source.write_text(source.read_text() + "\n# edited\n")
    assert engine.prepare(model, build=False, tell=notes_into(said)).digest == first.digest
    second = engine.prepare(model, build=True, tell=notes_into(said))
    assert second.digest != first.digest
    assert any("sources have changed" in line for line in said)
    model.dockerfile.write_text(model.dockerfile.read_text() + "\nLABEL edited=yes\n")
    assert engine.prepare(model, build=False, tell=notes_into(said)).digest == second.digest
    third = engine.prepare(model, build=True, tell=notes_into(said))
    assert third.digest != second.digest
