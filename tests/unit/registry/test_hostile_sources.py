"""Sources that lead a library elsewhere: what was checked is what is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from multiverse.errors import DatasetError
from multiverse.registry.registration import RegistrationOptions, register
from tests.hostile_hdf5 import INSIDE
from tests.unit.contract.test_hdf5 import TEXT, Watch
from tests.unit.registry.registry_sources import edited, make_anndata, write


def categories_elsewhere(file: h5py.File) -> None:
    """A table of anndata 0.7 whose categories are a reference to another place."""
    file["uns/other"] = np.array(["secret"] * 5, dtype=h5py.string_dtype())
    codes = file["obs/cell_type/codes"][...]
    del file["obs/cell_type"]
    file["obs/cell_type"] = codes
    file["obs/cell_type"].attrs["categories"] = file["uns/other"].ref
    file["obs"].attrs["encoding-version"] = "0.1.0"


def with_names(name: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file["obs"].attrs["column-order"] = np.array(["donor", name], dtype=object)

    return change


ELSEWHERE: dict[str, Callable[[h5py.File], None]] = {
    "index is a path": lambda file: file["obs"].attrs.__setitem__("_index", "/var/_index"),
    "index by way of itself": lambda file: file["obs"].attrs.__setitem__("_index", "./_index"),
    "index is the table": lambda file: file["obs"].attrs.__setitem__("_index", "."),
    "index is empty": lambda file: file["obs"].attrs.__setitem__("_index", ""),
    "index below": lambda file: file["obs"].attrs.__setitem__("_index", "cell_type/codes"),
    "features' index": lambda file: file["var"].attrs.__setitem__("_index", "/obs/_index"),
    "column is a path": with_names("/X/data"),
    "column is above": with_names("../X"),
    "column is the file": with_names("/"),
    "columns are one text": lambda file: file["obs"].attrs.__setitem__("column-order", "/"),
    "categories elsewhere": categories_elsewhere,
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_names_that_lead_out_of_a_table(name: str, tmp_path: Path) -> None:
    source = edited(write(make_anndata(), tmp_path / "a.h5ad"), ELSEWHERE[name])
    with pytest.raises(DatasetError, match=r"not in it|not a list|beside it|can't be read"):
        register(source, home=tmp_path / "home")
    assert not list((tmp_path / "home").rglob("data.h5mu"))


def test_categories_of_an_old_table_are_read_from_beside_it(tmp_path: Path) -> None:
    def old(file: h5py.File) -> None:
        column = file["obs/cell_type"]
        codes, values = column["codes"][...], column["categories"][...]
        del file["obs/cell_type"]
        file["obs/__categories/cell_type"] = values
        file["obs/cell_type"] = codes
        file["obs/cell_type"].attrs["categories"] = file["obs/__categories/cell_type"].ref
        file["obs"].attrs["encoding-version"] = "0.1.0"

    source = edited(write(make_anndata(), tmp_path / "a.h5ad"), old)
    options = RegistrationOptions(label_key="cell_type")
    assert register(source, options=options, home=tmp_path / "home").record.n_labels


def test_a_soft_link_that_nothing_reads_may_stand(tmp_path: Path) -> None:
    def link(file: h5py.File) -> None:
        file["uns/again"] = h5py.SoftLink("/X")

    source = edited(write(make_anndata(), tmp_path / "a.h5ad"), link)
    register(source, home=tmp_path / "home")


CASES = [
    (name, where)
    for name in INSIDE
    for where in ("X/data", "obs/_index", "uns/unused")
    if name != "many_groups" and not (name in TEXT and where == "X/data")
]


@pytest.mark.parametrize(("name", "where"), CASES)
def test_hostile_hdf5_is_refused_and_nothing_outside_is_opened(
    name: str, where: str, tmp_path: Path
) -> None:
    """Wherever it stands, also where nothing reads it; there sizes do not matter."""
    outside = tmp_path / "private.h5"
    with h5py.File(outside, "w") as file:
        file["x"] = np.ones(1000)
    source = write(make_anndata(), tmp_path / "a.h5ad")
    with h5py.File(source, "r+") as file:
        file["uns/unused"] = np.array(["a"] * 12, dtype=h5py.string_dtype())
    INSIDE[name](source, where, outside)
    watch = Watch(outside)
    unread = {"soft_link_in", "huge_shape", "huge_chunk", "same_text_again"}
    if where == "uns/unused" and name in {*unread, "same_text_again_in_chunks"}:
        register(source, home=tmp_path / "home")
    else:
        with pytest.raises(DatasetError):
            register(source, home=tmp_path / "home")
        assert not list((tmp_path / "home").rglob("data.h5mu"))
    assert not watch.fired()
