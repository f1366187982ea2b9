"""Finding datasets: slugs, damage, and no heavy import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from multiverse.errors import DatasetError, UsageError
from multiverse.registry.datasets import (
    DatasetFolder,
    RegisteredDataset,
    find_dataset,
    list_datasets,
    version_id,
)
from multiverse.registry.home import cache, home
from multiverse.specs.dataset import DatasetRecord, ModalitySummary

RECORD = DatasetRecord(
    slug="pbmc",
    fingerprint="f" * 64,
    n_obs=3,
    modalities={"rna": ModalitySummary(n_vars=2, n_values=4)},
    batch_key="donor",
    source_name="pbmc.h5ad",
    source_sha256="0" * 64,
    options_sha256="1" * 64,
    registered_at="2026-01-01T00:00:00+00:00",
    multiverse_version="1.0.0",
)


def publish(root: Path, record: DatasetRecord = RECORD) -> RegisteredDataset:
    folder = DatasetFolder(record.slug, root)
    version = folder.version(version_id(record))
    version.mkdir(parents=True)
    (version / "dataset.json").write_text(record.model_dump_json())
    (version / "data.h5mu").write_bytes(b"not read here")
    folder.current.write_text(version.name + "\n")
    return RegisteredDataset(record, version)


def test_home_and_cache_follow_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIVERSE_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("MULTIVERSE_CACHE", str(tmp_path / "c"))
    assert (home(), cache()) == (tmp_path / "h", tmp_path / "c")
    monkeypatch.delenv("MULTIVERSE_HOME")
    monkeypatch.delenv("MULTIVERSE_CACHE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert home() != cache()
    assert {home().name, cache().name} == {"multiverse"}


def test_finding_reads_json_only() -> None:
    code = (
        "import sys, multiverse.registry.datasets as d; d.list_datasets();"
        "heavy = {'numpy', 'pandas', 'anndata', 'mudata', 'h5py', 'scipy'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_was_published_is_found(tmp_path: Path) -> None:
    published = publish(tmp_path)
    assert find_dataset("pbmc", tmp_path) == published
    assert list_datasets(tmp_path) == (published,)
    assert published.data.parent == published.labels.parent == published.folder


def test_the_home_of_the_environment_is_the_default() -> None:
    published = publish(home())
    assert find_dataset("pbmc") == published
    assert list_datasets() == (published,)


def test_nothing_registered(tmp_path: Path) -> None:
    assert list_datasets(tmp_path / "absent") == ()
    with pytest.raises(DatasetError, match="No dataset is registered as 'pbmc'"):
        find_dataset("pbmc", tmp_path / "absent")


def test_the_nearest_slug_is_suggested(tmp_path: Path) -> None:
    publish(tmp_path)
    with pytest.raises(DatasetError, match="did you mean 'pbmc'"):
        find_dataset("pbcm", tmp_path)


@pytest.mark.parametrize(
    "slug", ["../pbmc", "pb mc", "a'; echo x", '"', "", ".", "..", "x" * 300, "a/b", "a\n", "ä"]
)
def test_hostile_slugs_are_refused(tmp_path: Path, slug: str) -> None:
    with pytest.raises(UsageError, match="is not a slug"):
        find_dataset(slug, tmp_path)


@pytest.mark.parametrize("content", ["", "../../etc", "0123456789abcdeg", "0" * 16, "\x00\xff"])
def test_a_damaged_pointer_is_named(tmp_path: Path, content: str) -> None:
    dataset = publish(tmp_path)
    (dataset.folder.parent / "current").write_text(content)
    with pytest.raises(DatasetError, match="'pbmc' is damaged") as failure:
        find_dataset("pbmc", tmp_path)
    assert "--replace" in str(failure.value.remedy)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"slug": "pbmc"'])
def test_a_damaged_record_does_not_hide_the_others(tmp_path: Path, content: bytes) -> None:
    bad = publish(tmp_path)
    good = publish(tmp_path, RECORD.model_copy(update={"slug": "other"}))
    bad.record_file.write_bytes(content)
    damaged: list[DatasetError] = []
    assert list_datasets(tmp_path, on_damaged=damaged.append) == (good,)
    assert [str(error).startswith("Dataset 'pbmc' is damaged") for error in damaged] == [True]


def test_missing_data_is_damage(tmp_path: Path) -> None:
    publish(tmp_path).data.unlink()
    with pytest.raises(DatasetError, match=r"data\.h5mu is missing"):
        find_dataset("pbmc", tmp_path)


def test_strangers_in_the_home_are_passed_over(tmp_path: Path) -> None:
    dataset = publish(tmp_path)
    for name in (".new-x", "No Slug", "empty"):
        (tmp_path / "datasets" / name).mkdir()
    (tmp_path / "datasets" / ".pbmc.lock").touch()
    (tmp_path / "datasets" / "file").touch()
    assert list_datasets(tmp_path) == (dataset,)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "e" * 64},
        {"labels_fingerprint": "a" * 64},
        {"label_key": "cell_type"},
        {"unlabelled": ("unknown",)},
        {"batch_key": "batch"},
    ],
)
def test_a_version_is_named_after_all_of_its_content(change: dict[str, object]) -> None:
    assert version_id(RECORD.model_copy(update=change)) != version_id(RECORD)


@pytest.mark.parametrize(
    "change",
    [{"slug": "x"}, {"source_sha256": "a" * 64}, {"registered_at": "x"}, {"notes": ("n",)}],
)
def test_a_versions_name_ignores_where_it_came_from(change: dict[str, object]) -> None:
    assert version_id(RECORD.model_copy(update=change)) == version_id(RECORD)
