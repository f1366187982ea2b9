"""The Dockerfiles of the models and the evaluator are alike, by one template."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.images.dockerfiles import TEMPLATES, render, rendered, templated_models
from multiverse.images.sdk import PACKAGE
from multiverse.specs.model import ModelSpec

RENDERED = rendered()


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=f"{p.parent.name}-{p.name}") for p in RENDERED]
)
def test_each_file_is_what_its_template_makes(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == RENDERED[path], "run make dockerfiles"


def test_every_dockerfile_of_a_model_follows_the_template() -> None:
    found = {*PACKAGE.glob("models/*/Dockerfile"), *PACKAGE.glob("models/*/environment.yml")}
    assert found < RENDERED.keys()
    assert {path.parent.name for path in RENDERED.keys() - found} == {"evaluation"}


@pytest.mark.parametrize("model", list(templated_models()), ids=lambda model: model.name)
def test_nothing_of_the_template_is_left_over(model: ModelSpec) -> None:
    for template in TEMPLATES.iterdir():
        text = render(model, model.folder / template.name.removesuffix(".template"))
        assert "{{" not in text
        assert not [line for line in text.splitlines() if line.startswith("[")]


def test_a_folder_without_a_dockerfile_gets_one_of_its_own(tmp_path: Path) -> None:
    """One that begins as a copy of ``pca`` and is called otherwise."""
    (tmp_path / "mine").mkdir()
    for name in ("model.yaml", "requirements.txt"):
        text = (PACKAGE / "models" / "pca" / name).read_text().replace("name: pca", "name: mine")
        text = text.replace("image: multiverse-pca", "image: mine")
        (tmp_path / "mine" / name).write_text(text)
    model = ModelSpec.load(tmp_path / "mine")
    lines = render(model, model.dockerfile).splitlines()
    assert lines[0] == "# The image of the model mine."
    assert lines[-1] == 'ENTRYPOINT ["python", "-m", "multiverse.models.mine"]'
    assert "COPY multiverse/models/mine /opt/multiverse/sdk/multiverse/models/mine" in lines
