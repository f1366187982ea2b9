"""The fingerprint: equal for equal content, whatever holds it; different for any change."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_matrix, csr_array, csr_matrix

from multiverse.registry.fingerprint import CountsHash, texts_sha256
from multiverse.registry.registration import RegistrationOptions, register
from multiverse.specs.dataset import DatasetRecord
from tests.unit.registry.registry_sources import (
    counts,
    edited,
    make_anndata,
    make_mudata,
    write,
)

OPTIONS = RegistrationOptions(batch_key="donor", label_key="cell_type")


def record_of(
    data: Any, path: Path, options: RegistrationOptions = OPTIONS, **settings: Any
) -> DatasetRecord:
    path.parent.mkdir(exist_ok=True, parents=True)
    return register(
        write(data, path, **settings), options=options, home=path.parent / "home"
    ).record


def store_as(kind: Any) -> Callable[[AnnData], None]:
    def change(data: AnnData) -> None:
        data.X = kind(counts())

    return change


def zeros_written_out(data: AnnData) -> None:
    values = counts()
    data.X = csr_matrix(
        (values.ravel(), np.tile(np.arange(7), 12), np.arange(13) * 7), shape=values.shape
    )


def batch_as_categories(data: AnnData) -> None:
    data.obs["donor"] = pd.Categorical(data.obs["donor"], ["unused", "donor1", "donor0"])


SAME: dict[str, Callable[[AnnData], None]] = {
    "csc": store_as(csc_matrix),
    "dense": store_as(np.asarray),
    "integers": store_as(lambda values: csr_matrix(values.astype(np.int16))),
    "explicit zeros": zeros_written_out,
    "other categories": batch_as_categories,
    "more that no model sees": lambda data: data.uns.update(x=[1]),
}
OTHER: dict[str, Callable[[AnnData], Any]] = {
    "one count": lambda data: data.X.__setitem__((0, 0), data.X[0, 0] + 1),
    "a cell's name": lambda data: setattr(data, "obs_names", ["new", *data.obs_names[1:]]),
    "a feature's name": lambda data: setattr(data, "var_names", ["new", *data.var_names[1:]]),
    "a cell's batch": lambda data: data.obs.__setitem__("donor", ["donor1"] + ["donor0"] * 11),
}


@pytest.mark.parametrize("what", SAME)
def test_it_ignores_how_content_is_stored(what: str, tmp_path: Path) -> None:
    plain = record_of(make_anndata(), tmp_path / "one" / "a.h5ad")
    data = make_anndata()
    SAME[what](data)
    changed = record_of(data, tmp_path / "two" / "other-name.h5ad")
    assert changed.fingerprint == plain.fingerprint
    assert changed.labels_fingerprint == plain.labels_fingerprint


@pytest.mark.parametrize("what", OTHER)
def test_it_sees_every_change_of_what_models_see(what: str, tmp_path: Path) -> None:
    plain = record_of(make_anndata(), tmp_path / "one" / "a.h5ad")
    data = make_anndata()
    OTHER[what](data)
    assert record_of(data, tmp_path / "two" / "a.h5ad").fingerprint != plain.fingerprint


def test_it_ignores_compression_and_file_times(tmp_path: Path) -> None:
    plain = record_of(make_anndata(), tmp_path / "one" / "a.h5ad")
    packed = record_of(
        make_anndata(), tmp_path / "two" / "a.h5ad", compression="gzip", compression_opts=9
    )
    assert packed.fingerprint == plain.fingerprint
    assert packed.source_sha256 != plain.source_sha256
    os.utime(tmp_path / "one" / "a.h5ad", (0, 0))
    again = register(tmp_path / "one" / "a.h5ad", options=OPTIONS, home=tmp_path / "one" / "home")
    assert again.record == plain


def test_it_sees_the_order_of_cells_but_not_of_modalities(tmp_path: Path) -> None:
    plain = record_of(make_mudata(), tmp_path / "one" / "a.h5mu")
    data = make_mudata()
    turned = make_mudata(adt=data["adt"].copy(), rna=data["rna"].copy())
    assert list(turned.mod) == ["adt", "rna"]
    assert record_of(turned, tmp_path / "two" / "a.h5mu").fingerprint == plain.fingerprint
    reversed_cells = data[data.obs_names[::-1]].copy()
    other = record_of(reversed_cells, tmp_path / "three" / "a.h5mu")
    assert other.fingerprint != plain.fingerprint


def test_labels_have_a_fingerprint_of_their_own(tmp_path: Path) -> None:
    plain = record_of(make_anndata(), tmp_path / "one" / "a.h5ad")
    data = make_anndata()
    data.obs["cell_type"] = data.obs["cell_type"].to_numpy()[::-1]
    changed = record_of(data, tmp_path / "two" / "a.h5ad")
    assert changed.fingerprint == plain.fingerprint
    assert changed.labels_fingerprint != plain.labels_fingerprint


def test_a_damaged_copy_is_another_source(tmp_path: Path) -> None:
    plain = record_of(make_anndata(), tmp_path / "a.h5ad")
    source = write(make_anndata(), tmp_path / "b.h5ad")
    edited(source, lambda file: file.attrs.__setitem__("comment", "x"))
    again = register(source, slug="b", options=OPTIONS, home=tmp_path / "home").record
    assert again.source_sha256 != plain.source_sha256
    assert again.fingerprint == plain.fingerprint


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, 40), max_size=6), seed=st.integers(0, 99))
def test_blocks_do_not_matter(cuts: list[int], seed: int) -> None:
    values = csr_array(counts(40, 5, seed))
    whole, pieces = CountsHash(), CountsHash()
    whole.update(values)
    edges = [0, *sorted(cuts), 40]
    for start, stop in pairwise(edges):
        pieces.update(values[start:stop])
    assert pieces.hexdigest() == whole.hexdigest()


@given(
    one=st.lists(st.text(max_size=4), max_size=5), other=st.lists(st.text(max_size=4), max_size=5)
)
def test_lists_of_texts_are_not_confused(one: list[str], other: list[str]) -> None:
    assert (texts_sha256(one) == texts_sha256(other)) == (one == other)
