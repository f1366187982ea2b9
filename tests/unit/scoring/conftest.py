"""One registered dataset for all tests of a module, and a results folder of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.folder import ResultsFolder
from tests.unit.scoring.made import register


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests that register more do so in a home of their own."""
    return tmp_path_factory.mktemp("scoring-home")


@pytest.fixture(scope="module")
def registered(home: Path) -> RegisteredDataset:
    return register(home)


@pytest.fixture
def tiny(
    registered: RegisteredDataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> RegisteredDataset:
    """120 cells, RNA and proteins, three labels, two batches; its home is the one in use."""
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    return registered


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    folder = tmp_path / "results"
    folder.mkdir()
    return ResultsFolder(folder)
