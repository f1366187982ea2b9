"""An image of another program under a name of ours: never run, never replaced, on a real daemon."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from multiverse.api import preview
from multiverse.cleanup.references import References
from multiverse.cleanup.stale_images import stale_images
from multiverse.doctor.container_probe import NoProbe, probe
from multiverse.doctor.finding import Severity
from multiverse.doctor.images import check_images
from multiverse.doctor.scene import Scene
from multiverse.engines.docker import DockerEngine
from multiverse.errors import ForeignImage, ImageMissing
from multiverse.events import silent
from multiverse.images import build
from multiverse.images.base_image import choose_base
from multiverse.images.build import build_model
from multiverse.images.daemon import connect
from multiverse.images.docker_cli import find_docker
from multiverse.images.offline import debian
from multiverse.images.sdk import MODEL_LABEL
from multiverse.images.stacks import Stack
from multiverse.registry.models import find_models
from multiverse.specs.evaluator import EvaluatorSpec
from multiverse.specs.model import ModelSpec
from tests.conftest import docker_or_skip, write_small

pytestmark = pytest.mark.docker

#: How a public system that builds images of the same names labels them, and how it does not.
ANOTHER = (
    'LABEL org.opencontainers.image.title="Multiverse \\u001b[31m hub"',
    "LABEL org.opencontainers.image.vendor=Example",
    "LABEL org.opencontainers.image.source=https://example.org/multiverse",
    'ENTRYPOINT ["python","/app/run pca.py"]',
)
NAMELESS = ('CMD ["/bin/server"]',)


@dataclass
class Strangers:
    """Makes tiny images under names of their own, and removes every name of them at the end."""

    client: Any
    name: str = field(default_factory=lambda: f"multiverse-test-{uuid.uuid4().hex[:12]}")
    ids: list[str] = field(default_factory=list)

    def make(self, *changes: str, tag: str | None = None) -> str:
        """Return the id of an image that holds one file."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            member = tarfile.TarInfo("content")
            member.size = 16
            archive.addfile(member, io.BytesIO(uuid.uuid4().bytes))
        repository, _, version = (tag or f"{self.name}:1.0.0").rpartition(":")
        said = self.client.import_image_from_data(
            stream.getvalue(), repository=repository, tag=version, changes=list(changes)
        )
        self.ids.append(str(json.loads(said)["status"]))
        return self.ids[-1]

    def there(self, tag: str) -> str:
        return str(self.client.inspect_image(tag)["Id"])

    def built_in(self, spec: ModelSpec) -> ModelSpec:
        """Return a built-in model (or the evaluator) by an image's name of this test."""
        return type(spec)(
            yaml=spec.yaml.model_copy(update={"image": self.name}), folder=spec.folder
        )


@pytest.fixture
def strangers() -> Iterator[Strangers]:
    docker_or_skip()
    made = Strangers(connect(60))
    yield made
    for image in made.client.images():
        if image["Id"] in made.ids:
            made.client.remove_image(image["Id"], force=True, noprune=True)


@pytest.fixture(params=["pca", "evaluate"])
def model(request: pytest.FixtureRequest, strangers: Strangers) -> ModelSpec:
    """The kinds of built-in images that a job is started from."""
    if request.param == "evaluate":
        return strangers.built_in(EvaluatorSpec.load())
    return strangers.built_in(find_models(["pca"])["pca"])


@pytest.mark.parametrize("build", [True, False])
def test_it_is_neither_run_nor_replaced(
    build: bool, model: ModelSpec, strangers: Strangers
) -> None:
    image = strangers.make(*ANOTHER)
    with pytest.raises(ForeignImage) as caught:
        DockerEngine().prepare(model, build=build, tell=silent)
    said = str(caught.value)
    assert f"{strangers.name}:1.0.0 is there, but is not the image of {model.name}" in said
    assert "it seems to be Multiverse" in said
    assert "of Example, from https://example.org/multiverse" in said
    assert "running «python '/app/run pca.py'»" in said
    assert "\x1b" not in said
    assert caught.value.exit_code == 4
    assert strangers.there(f"{strangers.name}:1.0.0") == image


def test_a_build_does_not_replace_it(model: ModelSpec, strangers: Strangers) -> None:
    image = strangers.make(*NAMELESS)
    with pytest.raises(ForeignImage, match=r"it seems to be running «/bin/server»"):
        build_model(model, tell=silent)
    assert strangers.there(f"{strangers.name}:1.0.0") == image


def test_the_next_step_keeps_it_and_makes_room_for_ours(strangers: Strangers) -> None:
    model = strangers.built_in(find_models(["pca"])["pca"])
    image = strangers.make(*ANOTHER)
    engine = DockerEngine()
    with pytest.raises(ForeignImage) as caught:
        engine.prepare(model, build=False, tell=silent)
    step = str(caught.value.remedy).partition(": ")[2].partition(". Or")[0]
    commands, _, last = step.rpartition(" && ")
    assert last == "multiverse build pca"
    subprocess.run(["/bin/sh", "-ec", commands], check=True, capture_output=True)
    with pytest.raises(ImageMissing):
        engine.prepare(model, build=False, tell=silent)
    (kept,) = [each for each in strangers.client.images() if each["Id"] == image]
    assert kept["RepoTags"] == [f"other-{strangers.name}:1.0.0-{image[7:19]}"]
    # In place of the build, which takes minutes: what it leaves, an image with the label.
    strangers.make(f"LABEL {MODEL_LABEL}=pca")
    assert engine.prepare(model, build=False, tell=silent).image is not None


def test_an_image_of_another_model_of_ours(strangers: Strangers) -> None:
    model = strangers.built_in(find_models(["pca"])["pca"])
    strangers.make(f"LABEL {MODEL_LABEL}=mofa")
    with pytest.raises(ForeignImage, match="it seems to be the image of the model mofa"):
        DockerEngine().prepare(model, build=False, tell=silent)


def test_an_authors_own_image_needs_no_label(strangers: Strangers, tmp_path: Path) -> None:
    """A model from outside may come as an image that its author has built without multiverse."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "model.yaml").write_text(
        f"{{name: theirs, version: 1.0.0, title: t, image: {strangers.name}, "
        "modalities: {optional: [rna]}}\n"
    )
    image = strangers.make(*ANOTHER)
    runtime = DockerEngine().prepare(ModelSpec.load(folder), build=False, tell=silent)
    assert runtime.handle.id == image


def test_doctor_says_so_and_starts_nothing_from_it(
    model: ModelSpec, strangers: Strangers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strangers.make(*ANOTHER)
    scene = Scene(tmp_path / "results", tmp_path / "home", tmp_path / "cache", (model,))
    first, *others = check_images(scene)
    assert first.status is Severity.WARNING
    assert "it seems to be Multiverse" in first.seen
    assert "docker tag" in str(first.remedy)
    assert not any("present" in finding.seen for finding in others)
    monkeypatch.setattr("multiverse.doctor.container_probe.SOURCES_LABEL", "no.such.label")
    with pytest.raises(NoProbe):
        probe(scene)


def test_clean_leaves_it_alone(strangers: Strangers) -> None:
    model = strangers.built_in(find_models(["pca"])["pca"])
    images = [strangers.make(*ANOTHER), strangers.make(*NAMELESS, tag=f"{strangers.name}:0.9.0")]
    listed = {entry.name for entry in stale_images([model], References.none())}
    assert not listed & {f"{strangers.name}:0.9.0", f"{strangers.name}:1.0.0"}
    assert not listed & {image[:19] for image in images}


@pytest.mark.parametrize("changes", [ANOTHER, NAMELESS, ("LABEL a=b",)])
def test_a_base_of_another_program(
    changes: tuple[str, ...], strangers: Strangers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the stacks, nor the SDK, nor the base of Debian packages are taken for ours."""
    tag = f"{strangers.name}:1.0.0"
    image = strangers.make(*changes)
    monkeypatch.setattr(debian, "IMAGE", tag)
    with pytest.raises(ForeignImage, match=f"{tag} is there, but was not made by multiverse"):
        choose_base(find_docker(), "debian", silent)
    monkeypatch.setattr(build, "SDK_TAG", tag)
    monkeypatch.setattr(Stack, "tag", property(lambda _stack: tag))
    with build._Builder.opened(no_cache=False, tell=silent, verbose=False) as builder:
        for shared in (builder.prepare_sdk, lambda: builder._stack(Stack("base", "models/x"))):
            with pytest.raises(ForeignImage, match="was not made by multiverse") as caught:
                shared()
    assert f"docker image rm {tag}" in str(caught.value.remedy)
    assert strangers.there(tag) == image


def test_our_own_bases_are_known() -> None:
    """The Debian base is there only where no other base can be pulled."""
    docker_or_skip()
    from multiverse.images.ownership import check_shared

    names = ("multiverse-base:1.0.0", "multiverse-debian:bookworm")
    there = {name: info for name in names if (info := find_docker().image(name)) is not None}
    assert "multiverse-base:1.0.0" in there, "the images are built first: make build-all"
    for name, info in there.items():
        check_shared(name, info)


def test_a_dry_run_says_what_the_run_says(
    strangers: Strangers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelSpec, "image_tag", property(lambda _model: f"{strangers.name}:1.0.0"))
    strangers.make(*ANOTHER)
    with pytest.raises(ForeignImage):
        preview("pca", write_small(tmp_path / "small.h5ad"), tmp_path / "results", engine="docker")
