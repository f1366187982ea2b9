"""Files that old versions of anndata and mudata wrote; ``tests/data/old/make.py`` made them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad

from multiverse.registry.registration import RegistrationOptions, register
from tests.unit.registry.registry_sources import dense, read

OLD = Path(__file__).resolve().parents[2] / "data" / "old"
FILES = sorted(path.name for path in OLD.iterdir() if path.suffix != ".py")


def values(shift: int = 0) -> np.ndarray:
    """What ``make.py`` wrote."""
    return np.arange(8 * 5).reshape(8, 5) % 4 + (np.arange(8) % 2 * shift)[:, None]


def test_every_version_is_there() -> None:
    versions = {name.split("-")[1] for name in FILES}
    assert versions == {"0.6.22", "0.7.8", "0.8.0", "0.10.9"}


@pytest.mark.parametrize("name", FILES)
def test_an_old_file_is_read_with_its_values(name: str, tmp_path: Path) -> None:
    options = RegistrationOptions(batch_key="donor", label_key="cell_type")
    dataset = register(OLD / name, slug="old", options=options, home=tmp_path)
    data = read(dataset)
    assert list(data.obs_names) == [f"cell{i}" for i in range(8)]
    assert list(data["rna"].var_names) == [f"g{i}" for i in range(5)]
    np.testing.assert_array_equal(dense(data["rna"]), values())
    assert list(data.obs["donor"]) == ["d2", "d1"] * 4
    if "two" in name:
        np.testing.assert_array_equal(dense(data["adt"]), values(3))
    labels = read_h5ad(dataset.labels).obs
    labels.columns = labels.columns.str.removeprefix("rna:")  # as MuData has a modality's own
    kinds = ["B", "T", None, "B", "T", "T", "NK", "B"]
    assert [None if pd.isna(value) else value for value in labels["cell_type"]] == kinds
    assert list(labels["stage"].astype(str)) == ["low", "high"] * 4
    assert list(labels["depth"]) == list(range(8))
    np.testing.assert_allclose(labels["score"], np.linspace(0, 1, 8))
    assert list(labels["doublet"].astype(bool)) == [False, True] * 4
    assert not any("left out" in note for note in dataset.record.notes)
