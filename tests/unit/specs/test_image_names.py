"""Images of ours are ours: no model from elsewhere takes their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.errors import SpecError, UsageError
from multiverse.images.build import SDK_TAG
from multiverse.images.offline import debian
from multiverse.images.stacks import STACKS
from multiverse.scaffold import write_model_folder
from multiverse.specs.evaluator import EvaluatorSpec
from multiverse.specs.image_names import PACKAGE, full_name, owner_of, reserved_images
from multiverse.specs.model import ModelSpec

BUILT_IN = sorted(path.parent for path in PACKAGE.glob("models/*/model.yaml"))
HEAD = "name: mine\nversion: 1.0.0\ntitle: t\nimage: {image}\nmodalities: {{optional: [rna]}}\n"


def described(tmp_path: Path, image: str) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.yaml").write_text(HEAD.format(image=image))
    return folder


def test_whatever_is_built_here_is_reserved() -> None:
    tags = [SDK_TAG, debian.IMAGE, *(stack.tag for stack in STACKS)]
    images = [tag.partition(":")[0] for tag in tags]
    images += [ModelSpec.load(folder).yaml.image for folder in BUILT_IN]
    assert {*images, EvaluatorSpec.load().yaml.image} == set(reserved_images())


@pytest.mark.parametrize("spelling", ["{}", "library/{}", "docker.io/{}", "docker.io/library/{}",
                                      "index.docker.io/library/{}"])  # fmt: skip
@pytest.mark.parametrize("image", sorted(reserved_images()))
def test_no_model_from_elsewhere_has_an_image_of_ours(
    tmp_path: Path, image: str, spelling: str
) -> None:
    with pytest.raises(SpecError, match=r":4: image: .* is an image of multiverse itself"):
        ModelSpec.load(described(tmp_path, spelling.format(image)))


@pytest.mark.parametrize(
    "image",
    [
        "mine",
        "multiverse-mine",
        "multiverse-pca2",
        "me/multiverse-pca",
        "ghcr.io/me/pca",
        "localhost:5000/multiverse-pca",
        "localhost/multiverse-base",
        "example.org/multiverse-evaluate",
    ],
)
def test_other_names_are_free(tmp_path: Path, image: str) -> None:
    assert ModelSpec.load(described(tmp_path, image)).yaml.image == image
    assert owner_of(image) is None


@pytest.mark.parametrize(
    "image",
    [
        "multiverse-pca:1.0.0",
        "Multiverse-pca",
        "a//b",
        "a@sha256",
        "-a",
        "a/b:5000/c",
        "a b",
        "../a",
        "a:x/b",
        "a:123456/b",
    ],
)
def test_what_docker_would_not_take_is_refused(tmp_path: Path, image: str) -> None:
    with pytest.raises(SpecError, match=":4: image"):
        ModelSpec.load(described(tmp_path, f"'{image}'"))


@pytest.mark.parametrize("folder", BUILT_IN, ids=lambda folder: folder.name)
def test_the_models_of_the_package_have_their_own(folder: Path) -> None:
    model = ModelSpec.load(folder)
    assert model.built_in
    assert model.may_have_its_image
    assert EvaluatorSpec.load().may_have_its_image


def test_names_are_completed_as_docker_does() -> None:
    assert full_name("a") == full_name("library/a") == "docker.io/library/a"
    assert full_name("a/b") == "docker.io/a/b"
    assert full_name("localhost/a") == "localhost/a"
    assert full_name("a.b:1/c:1.0.0") == "a.b:1/c:1.0.0"


def test_a_new_model_can_not_be_called_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is an image of multiverse"):
        write_model_folder("multiverse-base", tmp_path)
