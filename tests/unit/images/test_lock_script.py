"""``scripts/lock`` with the real uv, in a small project that needs no package from anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.conftest import REPOSITORY
from tests.unit.images.test_environment import make_wheel

PROJECT = """\
[project]
name = "small"
version = "1"
[project.optional-dependencies]
demo = []
worker = []
mlflow = []
dev = []
"""
STACKS = ("common", "torch", "scvi", "torch-cuda", "scvi-cuda", "excluded")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with every file that ``scripts/lock`` reads; its packages are none."""
    folder = tmp_path / "project"
    (folder / "scripts").mkdir(parents=True)
    for name in ("lock", "find-uv"):
        shutil.copy(REPOSITORY / "scripts" / name, folder / "scripts")
    (folder / "requirements").mkdir()
    (folder / "requirements" / "crate-validator.in").touch()
    (folder / "multiverse" / "evaluation").mkdir(parents=True)
    (folder / "multiverse" / "evaluation" / "requirements.in").touch()
    (folder / "pyproject.toml").write_text(PROJECT)
    models = folder / "multiverse" / "models"
    (models / "mine").mkdir(parents=True)
    for name in STACKS:
        (models / f"{name}.in").touch()
    for name in ("requirements", "requirements-cuda"):
        (models / "mine" / f"{name}.in").touch()
    return folder


def lock(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(find_uv_bin()).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(project / "scripts" / "lock"), "--offline", *options],
        cwd=project,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_lock_is_made(project: Path) -> None:
    done = lock(project, "--no-index")

    assert done.returncode == 0, done.stderr
    models = project / "multiverse" / "models"
    for name in (
        "common",
        "torch-cuda",
        "mine/requirements",
        "mine/requirements-cuda",
        "../evaluation/requirements",
    ):
        assert (models / f"{name}.txt").is_file(), name


def test_what_can_not_be_locked_is_a_failure_even_with_a_lock_from_before(project: Path) -> None:
    assert lock(project, "--no-index").returncode == 0
    folder = project / "multiverse" / "models" / "mine"
    (folder / "requirements.txt").write_text("numpy==1.0\n")
    (folder / "requirements.in").write_text("nothing-of-that-name==1.0\n")

    done = lock(project, "--no-index")

    assert done.returncode != 0
    assert "nothing-of-that-name" in done.stderr
    assert (folder / "requirements.txt").read_text() == "numpy==1.0\n"


def test_packages_come_from_where_pips_settings_say(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the project's own Python there, which reads them; the lists it makes last are left."""
    (project / ".venv").symlink_to(sys.prefix)
    (project / "docs").mkdir()
    (project / "docs" / "generate.py").touch()
    licences = project / "scripts" / "licences"
    licences.write_text("#!/bin/sh\n")
    licences.chmod(0o755)
    pin = make_wheel(tmp_path / "wheels", "1.0")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    mine = project / "multiverse" / "models" / "mine"
    (mine / "requirements.in").write_text("tiny\n")

    done = lock(project)

    assert done.returncode == 0, done.stderr
    assert (mine / "requirements.txt").read_text().replace(" \\\n   ", "") == pin
