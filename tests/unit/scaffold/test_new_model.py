"""What ``multiverse new-model`` writes: a whole model, never over something else."""

from __future__ import annotations

import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest
from ruamel.yaml import YAML

from multiverse.cli.main import main
from multiverse.errors import UsageError
from multiverse.images.sdk import sdk_files
from multiverse.scaffold import write_model_folder
from multiverse.scaffold.folder import PLACEHOLDER, template_files
from multiverse.specs.model import ModelSpec
from tests.conftest import REPOSITORY


def test_the_folder_is_a_model_and_passes_its_own_tests(tmp_path: Path) -> None:
    folder = write_model_folder("my_model", tmp_path / "deep" / "er")
    assert ModelSpec.load(folder).image_tag == "my_model:0.1.0"
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert len(texts) == len(template_files())
    assert not any(PLACEHOLDER in text for text in texts)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_what_is_written_keeps_to_the_house_style(tmp_path: Path) -> None:
    folder = write_model_folder("my_model", tmp_path)
    ruff = [str(Path(sys.executable).with_name("ruff"))]
    settings = ["--config", str(REPOSITORY / "pyproject.toml"), "--no-cache"]
    for command in (["check", "--ignore", "S101"], ["format", "--check"]):
        done = subprocess.run(
            [*ruff, *command, *settings, str(folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_an_image_is_given_what_an_environment_is(tmp_path: Path) -> None:
    """All files but those that ``.dockerignore`` names, as the engine ``local`` copies them."""
    folder = write_model_folder("my_model", tmp_path)
    (folder / "parts").mkdir()
    for extra in ("helper.py", "parts/more.py", "parts/.hidden", "parts/list.in", "old.pyc"):
        (folder / extra).write_text("")
    place = PurePosixPath("multiverse/models/my_model")
    copied = {
        name.relative_to(place)
        for name in sdk_files(ModelSpec.load(folder))
        if name.is_relative_to(place)
    }
    ignored = (folder / ".dockerignore").read_text().splitlines()
    patterns = [line.removeprefix("**/") for line in ignored if not line.startswith("#")]
    left = {
        PurePosixPath(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file()
        and not any(
            fnmatch(part, pattern)
            for part in path.relative_to(folder).parts
            for pattern in patterns
        )
    }
    assert left == copied
    assert {PurePosixPath("helper.py"), PurePosixPath("parts/more.py")} <= copied
    assert (
        "COPY . /opt/multiverse/sdk/multiverse/models/my_model/"
        in (folder / "Dockerfile").read_text().splitlines()
    )


def test_the_example_leaves_out_the_same_files() -> None:
    text = template_files()[".dockerignore"]
    docs = REPOSITORY / "docs"
    assert (docs / "examples" / "nmf" / ".dockerignore").read_text() == text
    assert text in (docs / "ADDING_A_MODEL.md").read_text()


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "my_model" / "precious.txt"
    mine.parent.mkdir()
    mine.write_text("kept")
    assert main(["new-model", "my_model", "--into", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["my_model"]
    assert mine.read_text() == "kept"


@pytest.mark.parametrize("name", ["123", "null", "true", "1e5", "0x1f", "on", "1_0", "my-model"])
def test_names_that_yaml_takes_for_something_else_are_names(tmp_path: Path, name: str) -> None:
    folder = write_model_folder(name, tmp_path)
    model = ModelSpec.load(folder)
    assert (model.name, model.image_tag) == (name, f"{name}:0.1.0")
    environment = YAML(typ="safe", pure=True).load(folder / "environment.yml")
    assert environment["name"] == name


BAD_NAMES = [
    "My Model", "../../etc", "", "a.b", "pca", "evaluate", "x" * 65, "'; echo x", "a-", "a--b",
    "a-_b",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_can_be_no_models_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        write_model_folder(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_is_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-model", "mine", "--into", str(tmp_path / "a b")]) == 0
    printed = capsys.readouterr().out
    assert f"multiverse check '{tmp_path / 'a b' / 'mine'}'" in printed
    assert "tests/test_mine.py" in printed
