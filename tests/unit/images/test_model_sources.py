"""A stranger's model folder: what it is, is known before a byte of it is read or sent."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from multiverse.errors import BuildError, MultiverseError, UsageError
from multiverse.events import silent
from multiverse.images import sources
from multiverse.images.build import build_models
from multiverse.images.environment import prepare_environment
from multiverse.images.sdk import MODEL_LABEL, sdk_files, sources_hash
from multiverse.images.sources import check_context, source_files
from multiverse.specs.model import ModelSpec

HEAD = "name: {name}\nversion: 1.0.0\ntitle: t\nimage: {image}\nmodalities: {{optional: [rna]}}\n"
KEY = "-----BEGIN PRIVATE KEY-----"


def made(place: Path, name: str = "mine", image: str = "mine") -> ModelSpec:
    folder = place / name
    (folder / "inner").mkdir(parents=True)
    (folder / "model.yaml").write_text(HEAD.format(name=name, image=image))
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "requirements.txt").write_text("numpy==2.0.0\n")
    (folder / "__main__.py").write_text("print()\n")
    return ModelSpec.load(folder)


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_text(KEY)
    return made(tmp_path)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def giant(path: Path) -> None:
    path.touch()
    os.truncate(path, 200 * 2**30)


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


KINDS: dict[str, Callable[[Path], None]] = {
    "fifo": fifo, "socket": listening, "giant": giant, "device": link_to("/dev/zero"),
    "link out": link_to("../../private/key"), "link to itself": link_to("itself"),
    "link to nothing": link_to("/nowhere"), "link to a folder out": link_to("../../private"),
    "link to a process's own": link_to("/proc/self/environ"), "folder": Path.mkdir,
}  # fmt: skip
#: What asks for the model's files: each before it reads one.
USES: dict[str, Callable[[ModelSpec, Path], object]] = {
    "files": lambda model, _: sdk_files(model),
    "hash": lambda model, _: sources_hash(model),
    "build": lambda model, _: build_models([model], tell=silent),
    "environment": lambda model, cache: prepare_environment(model, cache=cache, tell=silent),
}


@pytest.mark.parametrize("use", ["files", "hash", "build"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folder"])
def test_what_is_no_file_of_the_model_is_refused(
    model: ModelSpec, tmp_path: Path, kind: str, use: str
) -> None:
    KINDS[kind](model.folder / "inner" / "itself")
    with pytest.raises(BuildError, match="mine") as caught:
        USES[use](model, tmp_path / "cache")
    assert KEY not in str(caught.value)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("use", ["hash", "build"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_dockerfile_is_a_file(model: ModelSpec, tmp_path: Path, kind: str, use: str) -> None:
    model.dockerfile.unlink()
    KINDS[kind](model.dockerfile)
    with pytest.raises(BuildError, match="/mine") as caught:
        USES[use](model, tmp_path / "cache")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "link to nothing"])
def test_a_lock_is_a_file(model: ModelSpec, tmp_path: Path, kind: str) -> None:
    model.requirements.unlink()
    KINDS[kind](model.requirements)
    with pytest.raises(BuildError, match=r"mine|requirements\.txt") as caught:
        prepare_environment(model, cache=tmp_path / "cache", tell=silent)
    assert KEY not in str(caught.value)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", [".dockerignore", "Dockerfile.dockerignore"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_dockers_client_reads_is_a_file(model: ModelSpec, kind: str, name: str) -> None:
    KINDS[kind](model.folder / name)
    with pytest.raises(BuildError, match="dockerignore"):
        check_context(model.folder)


@pytest.mark.parametrize("kind", KINDS)
def test_a_description_is_a_file(model: ModelSpec, kind: str) -> None:
    path = model.folder / "model.yaml"
    path.unlink()
    KINDS[kind](path)
    with pytest.raises(MultiverseError, match=r"model\.yaml: can't be read") as caught:
        ModelSpec.load(model.folder)
    assert KEY not in str(caught.value)


def test_links_within_the_folder_are_their_files(model: ModelSpec) -> None:
    (model.folder / "inner" / "weights").write_text("1")
    (model.folder / "weights").symlink_to("inner/weights")
    (model.folder / "again").symlink_to("inner")
    found = source_files(model.folder)
    names = {str(name): path for name, path in found.items()}
    assert names["weights"] == names["inner/weights"]
    assert not {name for name in names if name.startswith("again")}


def test_number_size_and_depth_are_bounded(
    model: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_FILES", 50)
    monkeypatch.setattr(sources, "MAX_CONTEXT_FILES", 100)
    for number in range(60):
        (model.folder / "inner" / f"{number}").touch()
    with pytest.raises(BuildError, match="more than 50 files"):
        source_files(model.folder)
    check_context(model.folder)
    (model.folder / ".git").mkdir()
    for number in range(60):
        (model.folder / ".git" / f"{number}").mkdir()
    with pytest.raises(BuildError, match="more than 100 files"):
        check_context(model.folder)


def test_depth_is_bounded(model: ModelSpec) -> None:
    (model.folder / "/".join("d" * 40)).mkdir(parents=True)
    for use in (source_files, check_context):
        with pytest.raises(BuildError, match="within each other"):
            use(model.folder)


def test_blank_lines_of_a_dockerfile_take_no_time(model: ModelSpec) -> None:
    """A pattern over them would look from each line to the last."""
    model.dockerfile.write_text("\n" * 1_000_000)
    with pytest.raises(MultiverseError):
        build_models([model], tell=silent, base="no-such-base")


def test_two_models_of_one_command_have_images_of_their_own(tmp_path: Path) -> None:
    models = [made(tmp_path, "one", "same"), made(tmp_path, "two", "docker.io/library/same")]
    with pytest.raises(UsageError, match="one and two have the same image"):
        build_models(models, tell=silent)


CLIENT = """#!/bin/sh
echo "$@" >> {log}
case "$1 $2" in
  "buildx version") echo buildx ;;
  "image inspect") cat {folder}/$(echo "$3" | tr ':/' '__').json 2>/dev/null && exit 0
                   echo "No such image" >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize(
    ("labels", "taken"),
    [
        ({MODEL_LABEL: "mine"}, True),
        ({MODEL_LABEL: "other"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_no_image_of_another_is_replaced(
    model: ModelSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    labels: dict[str, str] | None,
    taken: bool,
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "docker").write_text(CLIENT.format(log=tools / "log", folder=tools))
    (tools / "docker").chmod(0o755)
    there = [{"Id": "sha256:1", "Size": 1, "Config": {"Labels": labels}}]
    (tools / "mine_1.0.0.json").write_text(json.dumps(there))
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    if taken:
        assert build_models([model], tell=silent)[0].tag == "mine:1.0.0"
    else:
        with pytest.raises(BuildError, match="would replace it") as caught:
            build_models([model], tell=silent)
        assert "docker image rm mine:1.0.0" in str(caught.value.remedy)
    built = [line for line in (tools / "log").read_text().splitlines() if line.startswith("build ")]
    assert bool(built) == taken
