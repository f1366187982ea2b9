"""``embeddings.h5ad`` of somebody else: refused whole, and nothing outside of it is opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from multiverse.errors import ResultsError
from multiverse.runs.layouts import read_layouts
from tests.hostile_hdf5 import HOSTILE
from tests.unit.contract.test_hdf5 import Watch

OURS = Path(__file__).parents[2] / "data" / "results-1.0" / "pbmc" / "embeddings.h5ad"
SLOW = {"many_groups"}


def made(folder: Path) -> Path:
    path = folder / "pbmc" / OURS.name
    path.parent.mkdir()
    shutil.copyfile(OURS, path)
    return path


def test_our_own_is_read(tmp_path: Path) -> None:
    assert read_layouts(made(tmp_path)).umaps


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in SLOW])
def test_hostile_hdf5(name: str, tmp_path: Path) -> None:
    outside = tmp_path / "private.h5"
    with h5py.File(outside, "w") as file:
        file["x"] = np.ones(1000)
    path = made(tmp_path)
    with h5py.File(path, "r") as file:
        index = f"obs/{file['obs'].attrs['_index']}"
    HOSTILE[name](path, index, outside)
    watch = Watch(outside)
    with pytest.raises(ResultsError):
        read_layouts(path)
    assert not watch.fired()


def named(what: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file["obs"].attrs.__setitem__(what, value)


@pytest.mark.parametrize(
    "change",
    [
        named("_index", "/uns/multiverse/dataset"),
        named("column-order", np.array(["/obsm"], dtype=object)),
        lambda file: file["uns/multiverse"].attrs.__setitem__("encoding-type", "anndata"),
        lambda file: file["uns/multiverse/keys"].attrs.__setitem__(
            "encoding-type", "awkward-array"
        ),
    ],
)
def test_names_that_lead_elsewhere(change: Callable[[h5py.File], None], tmp_path: Path) -> None:
    path = made(tmp_path)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ResultsError, match="which"):
        read_layouts(path)
