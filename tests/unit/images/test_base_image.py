"""The choice of a base, asked of a real small program that stands in for a daemon's answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.errors import BuildError, UsageError
from multiverse.images.base_image import MICROMAMBA, PYTHON, choose_base
from multiverse.images.docker_cli import DockerCli
from multiverse.images.offline import debian

SCRIPT = """#!/bin/sh
case "$1" in
    image)
        if grep -qxF "$3" "{here}"; then echo '[{{"Id": "sha256:1", "Size": 5}}]'; exit 0; fi
        echo "Error: No such image: $3" >&2; exit 1 ;;
    pull)
        if grep -qxF "$3" "{registry}"; then echo "$3" >> "{here}"; exit 0; fi
        echo "no such host" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "here").touch()
    (tmp_path / "registry").touch()
    path = tmp_path / "docker"
    path.write_text(SCRIPT.format(here=tmp_path / "here", registry=tmp_path / "registry"))
    path.chmod(0o755)
    return tmp_path


def choose(machine: Path, wanted: str) -> str:
    return choose_base(DockerCli(machine / "docker", {}), wanted, lambda _: None).reference


def test_auto_prefers_what_is_here(machine: Path) -> None:
    (machine / "here").write_text(f"{debian.IMAGE}\n{PYTHON}\n")
    assert choose(machine, "auto") == PYTHON
    (machine / "here").write_text(f"{debian.IMAGE}\n")
    (machine / "registry").write_text(f"{PYTHON}\n")
    assert choose(machine, "auto") == debian.IMAGE


def test_auto_pulls_the_official_image(machine: Path) -> None:
    (machine / "registry").write_text(f"{PYTHON}\n")
    assert choose(machine, "auto") == PYTHON


def test_auto_says_why_it_can_have_none(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(BuildError, match=r"no such host.*debootstrap needs root"):
        choose(machine, "auto")


def test_micromamba_brings_its_own_stack(machine: Path) -> None:
    (machine / "registry").write_text(f"{MICROMAMBA}\n")
    docker = DockerCli(machine / "docker", {})
    base = choose_base(docker, "micromamba", lambda _: None)
    assert (base.reference, base.shared) == (MICROMAMBA, False)


def test_any_reference_is_taken_if_it_can_be_had(machine: Path) -> None:
    (machine / "here").write_text("hospital.invalid/python:3.11\n")
    assert choose(machine, "hospital.invalid/python:3.11") == "hospital.invalid/python:3.11"
    with pytest.raises(BuildError, match="can't be pulled: no such host"):
        choose(machine, "hospital.invalid/python:3.12")


@pytest.mark.parametrize("wanted", ["alpine", "", "'; echo x", "--help", "--config=/x:y", "a b/c"])
def test_unknown_words_are_refused(machine: Path, wanted: str) -> None:
    with pytest.raises(UsageError, match="unknown base image"):
        choose(machine, wanted)
