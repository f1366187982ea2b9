"""What is made in an overlay is gone afterwards, and what it lies over stays as it is."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from multiverse.errors import DatasetError, ResultsError
from multiverse.registry.datasets import find_dataset, list_datasets
from multiverse.registry.home import cache, home
from multiverse.registry.overlay import is_lasting, overlay
from multiverse.registry.registration import register
from tests.conftest import write_small


@pytest.fixture(autouse=True)
def _own_cache_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIVERSE_CACHE", str(tmp_path / "cache"))


def test_the_cache_is_seen_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "cache/sdk/one").mkdir(parents=True)
    (tmp_path / "cache/environments/two").mkdir(parents=True)
    with overlay():
        assert (cache() / "environments/two").is_dir()
        assert (cache() / "sdk/one").is_dir()
        (cache() / "sdk/three").mkdir()
        made = cache()
    assert not made.exists()
    assert cache() == tmp_path / "cache"
    assert [path.name for path in (tmp_path / "cache/sdk").iterdir()] == ["one"]


def test_datasets_are_seen_and_others_are_made_beside_them(tmp_path: Path) -> None:
    first = register(write_small(tmp_path / "small.h5ad"))
    with overlay():
        inner = home()
        with overlay():  # as in a preview that is asked for in Python
            assert home() == inner
        assert is_lasting(find_dataset("small").folder)
        assert not is_lasting(register(write_small(tmp_path / "more.h5ad", seed=1)).folder)
        assert [each.record.slug for each in list_datasets()] == ["more", "small"]
    assert is_lasting(first.folder)
    assert [each.record.slug for each in list_datasets()] == ["small"]


def test_what_is_wrong_is_told_of_the_real_folder(tmp_path: Path) -> None:
    dataset = register(write_small(tmp_path / "small.h5ad"))
    dataset.data.unlink()
    with pytest.raises(DatasetError, match=f"{dataset.data} is missing"), overlay():
        find_dataset("small")


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(ResultsError, match="no folder for temporary files"), overlay():
        pass
