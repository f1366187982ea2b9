"""One honest folder and one canary for all cases of a module."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.canary import Canary
from tests.hostile.forked import Forked
from tests.hostile.honest import Honest, environment_of, make

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]  # what is touched is seen by inotify


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Honest]:
    root = tmp_path_factory.mktemp("honest")
    with Forked(root, environment_of(root)) as forked:
        made = Honest(root, forked)
        make(made)
        yield made


@pytest.fixture(scope="module")
def _canary(honest: Honest) -> Iterator[Canary]:
    """A whole results folder of somebody else, valid to the last byte, and more."""
    folder = honest.root / "canary"
    shutil.copytree(honest.results.folder, folder, symlinks=True)
    for own in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        for name in ("2024/notes.txt", "7/notes.txt", "thesis.txt", ".run.json.abcdefgh"):
            (own / name).parent.mkdir(exist_ok=True)
            (own / name).write_text("mine")
    made = Canary(folder)
    yield made
    made.close()


@pytest.fixture
def canary(_canary: Canary) -> Canary:
    _canary.settle()
    return _canary


@pytest.fixture
def copy(honest: Honest, tmp_path: Path) -> Iterator[Path]:
    """A copy of the honest folder, gone after the test: there are hundreds."""
    folder = tmp_path / "copy"
    honest.copy(folder)
    yield folder
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder)
