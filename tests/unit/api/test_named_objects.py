"""Objects in memory have a name that somebody chose: none stands for another in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

import multiverse
from multiverse.api import list_datasets
from multiverse.api.settings import request_of
from multiverse.errors import UsageError
from tests.unit.registry.registry_sources import make_anndata, make_mudata


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIVERSE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("make", [make_anndata, make_mudata])
def test_an_object_without_a_name_is_refused(make: type, tmp_path: Path) -> None:
    for ask in (
        lambda: multiverse.register(make()),
        lambda: request_of("pca", make(), tmp_path, {}, lambda event: None),
    ):
        with pytest.raises(UsageError, match="needs a name") as failure:
            ask()
        assert 'name="pbmc"' in str(failure.value.remedy)
    assert list_datasets() == ()


def test_the_name_is_the_slug_under_which_it_is_found(tmp_path: Path) -> None:
    assert multiverse.register(make_anndata(), name="pbmc").record.slug == "pbmc"
    assert multiverse.register(make_anndata(), slug="pbmc").record.slug == "pbmc"
    request = request_of("pca", make_mudata(), tmp_path, {"name": "cite"}, lambda event: None)
    assert [item.record.slug for item in request.registered] == ["cite"]
    assert [item.record.slug for item in list_datasets()] == ["cite", "pbmc"]


def test_two_names_are_one_too_many() -> None:
    with pytest.raises(UsageError, match="'a' and 'b'"):
        multiverse.register(make_anndata(), name="b", slug="a")


def test_what_is_no_dataset_is_told_so() -> None:
    with pytest.raises(UsageError, match="ndarray is not a dataset"):
        multiverse.register(make_anndata().X.toarray(), name="a")
