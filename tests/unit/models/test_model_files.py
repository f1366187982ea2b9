"""What stands beside each model: its description, its locks, its conda environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import multiverse
from multiverse.specs.model import ModelSpec
from multiverse.specs.yaml_file import YamlFile

FOLDER = Path(multiverse.__file__).parent / "models"
OWN = ["pca", "mofa"]


def pins(path: Path) -> dict[str, str]:
    """Name → everything locked about it: version and hashes."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", path.read_text().strip())
    return {block.partition("==")[0]: block for block in blocks}


@pytest.mark.parametrize("name", OWN)
def test_description_is_valid_and_complete(name: str) -> None:
    spec = ModelSpec.load(FOLDER / name)
    assert spec.image_tag == f"multiverse-{name}:1.0.0"
    assert spec.yaml.citation is not None
    assert spec.yaml.citation.doi
    for part in ("parameters", "preprocessing"):
        schema = getattr(spec.yaml, part)
        Draft202012Validator(schema).validate(spec.defaults(part))
        for setting in schema["properties"].values():
            assert {"title", "description", "default", "x-sweepable"} <= setting.keys()
            assert (
                setting["type"] == "boolean"
                or {"minimum", "exclusiveMinimum", "enum"} & set(setting)
                or "null" in setting["type"]
            )


@pytest.mark.parametrize("name", OWN)
def test_lock_holds_the_common_lock_exactly(name: str) -> None:
    common, own = pins(FOLDER / "common.txt"), pins(FOLDER / name / "requirements.txt")
    assert len(common) > 30
    assert common.items() <= own.items()


@pytest.mark.parametrize("path", ["common.txt", "pca/requirements.txt", "mofa/requirements.txt"])
def test_lock_is_exact_and_names_no_host(path: str) -> None:
    locked = pins(FOLDER / path)
    for name, block in locked.items():
        assert re.match(rf"{re.escape(name)}==[0-9][^ ]* \\\n +--hash=sha256:[0-9a-f]{{64}}", block)
    text = (FOLDER / path).read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "pynndescent==0.6.0" in text
    assert "\ntorch" not in text


@pytest.mark.parametrize("name", OWN)
def test_conda_environment_installs_the_lock(name: str) -> None:
    content = YamlFile(FOLDER / name / "environment.yml").content
    assert content["channels"] == ["conda-forge"]
    assert content["dependencies"][0] == "python=3.11"
    assert content["dependencies"][-1] == {"pip": ["-r requirements.txt"]}
