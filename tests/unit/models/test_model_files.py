"""What stands beside each model: its description, its locks, its conda environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import multiverse
from multiverse.images.locks import PYTORCH_INDEX, read_pins
from multiverse.specs.model import ModelSpec
from multiverse.specs.yaml_file import YamlFile
from tests.conftest import REPOSITORY

FOLDER = Path(multiverse.__file__).parent / "models"
OWN = ["pca", "mofa", "multivi", "totalvi", "mowgli", "cobolt"]
WITH_CUDA = [name for name in OWN if name != "pca"]
CPU_LOCKS = ["common.txt", "torch.txt", "scvi.txt", *(f"{name}/requirements.txt" for name in OWN)]
CUDA_LOCKS = [
    "torch-cuda.txt",
    "scvi-cuda.txt",
    *(f"{name}/requirements-cuda.txt" for name in WITH_CUDA),
]
#: Prefixes of packages that bring CUDA.
CUDA_PACKAGES = ("nvidia", "cuda", "cupy", "triton")


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
            assert is_bounded(setting), setting


def is_bounded(setting: dict[str, object]) -> bool:
    """Whether a schema says more than a type, where there is more to say."""
    if {"minimum", "exclusiveMinimum", "enum"} & set(setting):
        return True
    kind = setting.get("type")
    return kind in ("boolean", "array") or (isinstance(kind, list) and "null" in kind)


def test_every_model_there_is_is_tested() -> None:
    assert sorted(OWN) == sorted(path.parent.name for path in FOLDER.glob("*/model.yaml"))


def test_every_model_has_its_entry_in_the_ci_matrix() -> None:
    workflow = YamlFile(REPOSITORY / ".github" / "workflows" / "test.yml").content
    assert workflow["jobs"]["image"]["strategy"]["matrix"]["model"] == OWN


@pytest.mark.parametrize("name", OWN)
def test_lock_holds_the_common_lock_exactly(name: str) -> None:
    common, own = pins(FOLDER / "common.txt"), pins(FOLDER / name / "requirements.txt")
    assert len(common) > 30
    assert common.items() <= own.items()


@pytest.mark.parametrize("path", [*CPU_LOCKS, *CUDA_LOCKS])
def test_lock_is_exact_and_names_no_host(path: str) -> None:
    for name, block in pins(FOLDER / path).items():
        pinned = rf"{re.escape(name)}===?[0-9][^ ]* \\\n +--hash=sha256:[0-9a-f]{{64}}"
        assert re.match(pinned, block)
    text = (FOLDER / path).read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "pynndescent==0.6.0" in text


@pytest.mark.parametrize("path", CPU_LOCKS)
def test_a_cpu_lock_has_no_cuda(path: str) -> None:
    locked = read_pins(FOLDER / path)
    assert not [name for name in locked if name.startswith(CUDA_PACKAGES)]
    if "torch" in locked:
        assert locked["torch"].version.endswith("+cpu")


@pytest.mark.parametrize("name", WITH_CUDA)
def test_a_cuda_lock_differs_by_cuda_alone(name: str) -> None:
    cpu = read_pins(FOLDER / name / "requirements.txt")
    cuda = read_pins(FOLDER / name / "requirements-cuda.txt")
    more = {package for package in cuda if package not in cpu}
    assert any(package.startswith("nvidia-cublas") for package in more)
    assert all(package.startswith(CUDA_PACKAGES) for package in more), more
    changed = {package for package in cpu if cuda.get(package) != cpu[package]}
    assert changed <= {"torch"}


def test_models_of_one_library_have_one_lock() -> None:
    for lock in ("requirements.txt", "requirements-cuda.txt"):
        multivi, totalvi = (FOLDER / name / lock for name in ("multivi", "totalvi"))
        assert multivi.read_text() == totalvi.read_text()


@pytest.mark.parametrize("name", OWN)
def test_what_is_left_out_is_in_no_lock(name: str) -> None:
    lines = (FOLDER / "excluded.in").read_text().splitlines()
    excluded = {line for line in lines if line and not line.startswith("#")}
    assert len(excluded) > 3
    assert not excluded & set(read_pins(FOLDER / name / "requirements.txt"))


@pytest.mark.parametrize("name", OWN)
def test_conda_environment_installs_the_lock(name: str) -> None:
    content = YamlFile(FOLDER / name / "environment.yml").content
    assert content["channels"] == ["conda-forge"]
    assert content["dependencies"][:2] == ["python=3.11", "pip"]
    torch = "torch" in read_pins(FOLDER / name / "requirements.txt")
    index = [f"--extra-index-url {PYTORCH_INDEX}"] if torch else []
    assert content["dependencies"][-1] == {"pip": [*index, "-r requirements.txt"]}
