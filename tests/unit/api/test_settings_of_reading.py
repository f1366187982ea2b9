"""Settings of another type, or that there are none of: refused by name, with an example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import multiverse
from multiverse.api import list_datasets
from multiverse.api.reading import registration_options
from multiverse.api.settings import request_of
from multiverse.errors import UsageError
from tests.unit.registry.realistic import real_counts
from tests.unit.registry.registry_sources import make_anndata

WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "exclude": ({"exclude": "adt=CD1*"}, "exclude can't be .* str", 'exclude={"adt": "CD1*"}'),
    "layer": ({"layer": ["x"]}, "layer can't be .* list", 'layer="counts"'),
    "layers": ({"layer": {"rna": 3}}, "layer can't be .* int", 'layer={"rna": "counts"}'),
    "batch": ({"batch_key": pd.Series(["a"])}, "batch_key can't be .* Series", 'batch_key="donor"'),
    "label": ({"label_key": 3}, "label_key can't be .* int", 'label_key="donor"'),
    "without": ({"without": {"adt": "x"}}, "without can't be .* dict", 'without=["adt"]'),
    "round": ({"round": 1}, "round can't be .* int", "round=True"),
    "switch": ({"mosaic": "yes"}, "mosaic can't be .* str", "mosaic=True"),
    "misspelt": ({"batch_keys": "donor"}, "'batch_keys'; did you mean 'batch_key'", ""),
}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIVERSE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_refused_with_an_example(case: str, tmp_path: Path) -> None:
    settings, message, example = WRONG[case]
    data = make_anndata()
    for ask in (
        lambda: multiverse.register(data, name="a", **settings),
        lambda: multiverse.inspect(data, **settings),
        lambda: request_of("pca", data, tmp_path, {"name": "a", **settings}, lambda event: None),  # type: ignore[typeddict-item]
    ):
        with pytest.raises(UsageError, match=message) as failure:
            ask()
        assert example in str(failure.value.remedy)
    assert list_datasets() == ()


def test_the_examples_are_taken() -> None:
    found = registration_options(
        None,
        {
            "exclude": {"adt": "CD1*"},
            "layer": {"rna": "counts"},
            "batch_key": "donor",
            "without": ["adt"],
            "mosaic": True,
            "round": True,
        },
    )
    assert found.exclude == {"adt": ("CD1*",)}
    assert found.round == ("all",)
    assert registration_options(None, {"round": False}).round == ()


def test_true_rounds_every_modality() -> None:
    counts = real_counts()
    random = np.random.default_rng(0)
    data = make_anndata(csr_array(counts * (1 - 0.2 * random.random(counts.shape))))
    assert multiverse.register(data, name="rounded", round=True).record.modalities["rna"].rounded


def test_a_name_is_a_text() -> None:
    with pytest.raises(UsageError, match="name can't be of type int") as failure:
        multiverse.register(make_anndata(), name=3)  # type: ignore[arg-type]
    assert 'name="pbmc"' in str(failure.value.remedy)


def test_a_modality_of_objects_is_named_without_a_path() -> None:
    data = {"rna": make_anndata(), "prot": make_anndata(prefix="p")}
    with pytest.raises(UsageError, match="'prot' is not a modality") as failure:
        multiverse.register(data, name="a")
    assert failure.value.remedy == 'Write {"adt": ...}'
    data = {"rna": data["rna"], "adt": data["prot"]}
    assert set(multiverse.register(data, name="a").record.modalities) == {"rna", "adt"}
