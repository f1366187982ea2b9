"""Images that nothing runs any more, on a real daemon; only images made here are removed."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from multiverse.cleanup.clean import CleanupPlan, remove
from multiverse.cleanup.references import References
from multiverse.cleanup.removable import Item, Kept
from multiverse.cleanup.stale_images import stale_images
from multiverse.images.daemon import connect
from multiverse.specs.model import ModelSpec
from tests.conftest import docker_or_skip

pytestmark = pytest.mark.docker


@dataclass
class Images:
    """Makes empty images with the labels of built ones, and removes what is left of them."""

    client: Any
    model: str
    ids: list[str] = field(default_factory=list)

    def make(self, tag: str | None = None, **labels: str) -> str:
        """The image's id."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            member = tarfile.TarInfo("content")
            member.size = 100_000
            archive.addfile(member, io.BytesIO(uuid.uuid4().bytes * 6250))
        given = {"multiverse.model": self.model, "multiverse.sources": "0", **labels}
        said = self.client.import_image_from_data(
            stream.getvalue(),
            repository=tag and tag.rpartition(":")[0],
            tag=tag and tag.rpartition(":")[2],
            changes=[f"LABEL {name}={text}" for name, text in given.items() if text],
        )
        self.ids.append(str(json.loads(said)["status"]))
        return self.ids[-1]

    def here(self, reference: str) -> bool:
        from docker.errors import ImageNotFound

        try:
            self.client.inspect_image(reference)
        except ImageNotFound:
            return False
        return True


@pytest.fixture
def images() -> Iterator[Images]:
    docker_or_skip()
    made = Images(connect(60), f"care-{uuid.uuid4().hex[:12]}")
    yield made
    for image in made.ids:
        if made.here(image):
            made.client.remove_image(image, force=True, noprune=True)


@pytest.fixture
def model(images: Images, tmp_path: Path) -> ModelSpec:
    """A model of version 2.0.0 whose image is named after it."""
    folder = tmp_path / images.model
    folder.mkdir()
    (folder / "model.yaml").write_text(
        f"{{name: {images.model}, version: 2.0.0, title: t, image: {images.model}, "
        "modalities: {optional: [rna]}}\n"
    )
    return ModelSpec.load(folder)


def found(images: Images, models: list[ModelSpec], seen: References | None = None) -> list[Item]:
    """What can go, of the images that were made here."""
    short = {image[:19] for image in images.ids}
    return [
        entry
        for entry in stale_images(models, seen or References.none())
        if isinstance(entry, Item) and (entry.name in short or entry.name.startswith(images.model))
    ]


def test_an_image_of_another_version_and_an_earlier_build_go(
    images: Images, model: ModelSpec
) -> None:
    old = images.make(f"{model.name}:1.0.0")
    earlier = images.make(f"{model.name}:2.0.0")
    current = images.make(f"{model.name}:2.0.0")  # takes the name, as a build does
    items = found(images, [model])
    assert {item.name: item.why for item in items} == {
        f"{model.name}:1.0.0": f"{model.name} is 2.0.0 now",
        earlier[:19]: f"an earlier build of {model.name}",
    }
    assert all(item.size >= 100_000 for item in items)
    outcome = remove(Path("unused"), CleanupPlan(tuple(items), ()), lambda _item: None)
    assert outcome.failed == []
    assert not images.here(old)
    assert not images.here(earlier)
    assert outcome.freed >= 100_000, "as the daemon counts its layers"
    assert images.here(current)


def test_images_that_may_be_somebodys_stay(images: Images, model: ModelSpec) -> None:
    images.make(f"{model.name}:2.0.0")
    images.make(f"{model.name}-mine:1.0.0")  # a name that no model.yaml gives
    images.make(f"{model.name}:1.0.0", **{"multiverse.sources": ""})  # not built here
    assert found(images, [model]) == []
    images.make(f"{model.name}:0.9.0")
    assert found(images, []) == [], "nobody knows which version an unknown model is"


def test_an_image_that_a_container_uses_stays(images: Images, model: ModelSpec) -> None:
    old = images.make(f"{model.name}:1.0.0")
    container = images.client.create_container(old, command=["/content"])["Id"]
    try:
        items = tuple(found(images, [model]))
        outcome = remove(Path("unused"), CleanupPlan(items, ()), lambda _item: None)
    finally:
        images.client.remove_container(container)
    ((_, why),) = outcome.failed
    assert "container" in why
    assert images.here(old)


def test_published_runs_that_an_image_made_are_said(images: Images, model: ModelSpec) -> None:
    old = images.make(f"{model.name}:1.0.0")
    seen = References(frozenset(), Counter({old: 3}), ())
    (item,) = found(images, [model], seen)
    assert item.why.endswith("3 runs here were made by it")


def test_without_a_daemon_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    (entry,) = stale_images([], References.none())
    assert isinstance(entry, Kept)
    assert "no Docker daemon answers" in entry.why
