"""CITE-seq as scvi-tools and others keep it: genes in X, proteins in obsm."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from multiverse.errors import DatasetError
from multiverse.registry.datasets import RegisteredDataset
from multiverse.registry.objects import register_object
from multiverse.registry.options import RegistrationOptions
from tests.unit.registry.registry_sources import (
    counts,
    edited,
    make_anndata,
    make_mudata,
    read,
    write,
)
from tests.unit.registry.tenx_sources import chosen, registered, values_of

NAMES = ["CD3", "CD4", "CD8a"]
PROTEINS = counts(12, 3, 5)


def frame(values: np.ndarray = PROTEINS, names: list[str] = NAMES) -> pd.DataFrame:
    return pd.DataFrame(values, index=make_anndata().obs_names, columns=names)


def both(data: AnnData, tmp_path: Path, **options: dict[str, str]) -> RegisteredDataset:
    """The dataset of a file, which is the same as of the object in memory."""
    dataset = registered(write(data, tmp_path / "a.h5ad"), tmp_path / "home", **options)
    same = register_object(
        data,
        slug="object",
        options=RegistrationOptions(**options),  # type: ignore[arg-type]
        home=tmp_path / "home2",
    )
    assert same.record.fingerprint == dataset.record.fingerprint
    assert same.record.notes == dataset.record.notes
    return dataset


def put_frame(key: str, dtype: Any) -> Callable[[AnnData], None]:
    def change(data: AnnData) -> None:
        data.obsm[key] = frame().astype(dtype)

    return change


def put_array(key: str, names: str, *, sparse: bool = False) -> Callable[[AnnData], None]:
    def change(data: AnnData) -> None:
        data.obsm[key] = csr_matrix(PROTEINS) if sparse else PROTEINS
        data.uns[names] = NAMES

    return change


@pytest.mark.parametrize(
    "change",
    [
        put_frame("protein_expression", "int64"),
        put_frame("protein_expression", "float32"),
        put_frame("protein_counts", "uint16"),
        put_frame("proteins", "float64"),
        put_frame("ADT", "int32"),
        put_frame("antibody_counts", "int32"),
        put_frame("X_protein", "int32"),
        put_array("protein_expression", "protein_names"),
        put_array("ADT", "ADT_names"),
        put_array("protein_counts", "protein_counts_columns", sparse=True),
    ],
)
def test_proteins_are_a_modality(change: Callable[[AnnData], None], tmp_path: Path) -> None:
    data = make_anndata()
    data.obsm["X_pca"] = np.random.default_rng(0).normal(size=(12, 3))
    data.obsm["X_umap"] = data.obsm["X_pca"][:, :2]
    change(data)
    dataset = both(data, tmp_path)
    after = read(dataset)
    assert (values_of(dataset)["rna"] == counts()).all()
    assert (values_of(dataset)["adt"] == PROTEINS).all()
    assert after["adt"].var_names.tolist() == NAMES
    (said,) = (note for note in dataset.record.notes if "obsm" in note)
    assert said.startswith("adt: taken from obsm[")


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        ("protein_expression", PROTEINS * 0.5, "is not a whole number"),
        ("protein_expression", PROTEINS - 1, "is negative"),
        ("denoised_protein", np.log1p(PROTEINS), "is not a whole number"),
        ("protein_expression", np.where(PROTEINS > 1, np.nan, PROTEINS), "is missing"),
        ("protein_expression", PROTEINS * 0, "every value is zero"),
    ],
)
def test_what_is_no_counts_is_named(
    key: str, values: np.ndarray, said: str, tmp_path: Path
) -> None:
    data = make_anndata()
    data.obsm[key] = frame(values)
    dataset = both(data, tmp_path)
    assert list(dataset.record.modalities) == ["rna"]
    (note,) = (note for note in dataset.record.notes if "obsm" in note)
    assert note.startswith(f"obsm[{key!r}] was left out")
    assert said in note
    options = RegistrationOptions(modality_names={f"obsm:{key}": "adt"})
    with pytest.raises(DatasetError, match=said):
        register_object(data, slug="b", options=options, home=tmp_path / "home3")


def test_an_array_without_names_is_named_and_may_be_given_some(tmp_path: Path) -> None:
    data = make_anndata()
    data.obsm["protein_expression"] = PROTEINS
    dataset = both(data, tmp_path)
    (note,) = (note for note in dataset.record.notes if "obsm" in note)
    assert "adata.uns['protein_expression_names'] = [...]" in note
    data.uns["protein_expression_names"] = NAMES
    dataset = register_object(data, slug="named", home=tmp_path / "home")
    assert (values_of(dataset)["adt"] == PROTEINS).all()


def test_two_lists_of_names_are_not_chosen_between(tmp_path: Path) -> None:
    data = make_anndata()
    data.obsm["protein_expression"] = PROTEINS
    data.uns["protein_names"], data.uns["adt_names"] = NAMES, ["a", "b", "c"]
    dataset = both(data, tmp_path)
    assert list(dataset.record.modalities) == ["rna"]
    assert any("have no names" in note for note in dataset.record.notes)


def test_whole_numbers_of_another_name_may_be_chosen(tmp_path: Path) -> None:
    data = make_anndata()
    data.obsm["my table"] = frame()
    (note,) = (note for note in both(data, tmp_path).record.notes if "obsm" in note)
    words = shlex.split(note.replace("obsm['my table']", ""))
    option = words[words.index("--modality") + 1]
    dataset = registered(
        tmp_path / "a.h5ad", tmp_path / "home3", modality_names=dict([option.split("=")])
    )
    assert (values_of(dataset)["adt"] == PROTEINS).all()


def test_hashtags_are_named_and_left_out(tmp_path: Path) -> None:
    data = make_anndata()
    data.obsm["protein_expression"] = frame()
    data.obsm["HTO_counts"] = frame(names=["HTO1", "HTO2", "HTO3"])
    dataset = both(data, tmp_path)
    assert (values_of(dataset)["adt"] == PROTEINS).all()
    assert any("obsm['HTO_counts'] was left out" in note for note in dataset.record.notes)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("X_pca", np.random.default_rng(0).normal(size=(12, 3))),
        ("X_totalVI", np.random.default_rng(0).normal(size=(12, 3))),
        ("spatial", np.arange(24).reshape(12, 2)),
        ("adt_umap", np.random.default_rng(0).normal(size=(12, 2))),
        ("mask", np.ones((12, 1), dtype=bool)),
        ("scores", frame(PROTEINS * 0.25)),
    ],
)
def test_embeddings_need_no_word(key: str, values: np.ndarray, tmp_path: Path) -> None:
    data = make_anndata()
    data.obsm[key] = values
    assert not [note for note in both(data, tmp_path).record.notes if "obsm" in note]


def test_two_tables_of_proteins_ask_which(tmp_path: Path) -> None:
    data = make_anndata()
    data.obsm["protein_expression"], data.obsm["protein_counts"] = frame(PROTEINS * 2), frame()
    source = write(data, tmp_path / "a.h5ad")
    with pytest.raises(DatasetError, match="stand for adt") as failure:
        registered(source, tmp_path / "home")
    for number, times in ((0, 1), (1, 2)):
        names = chosen(failure.value, number)
        dataset = registered(source, tmp_path / str(number), modality_names=names)
        assert (values_of(dataset)["adt"] == PROTEINS * times).all()
        assert any("left out" in note and "--modality" in note for note in dataset.record.notes)


def test_proteins_among_the_features_too(tmp_path: Path) -> None:
    data = make_anndata()
    data.var["feature_types"] = ["Gene Expression"] * 5 + ["Antibody Capture"] * 2
    data.obsm["protein_expression"] = frame()
    source = write(data, tmp_path / "a.h5ad")
    with pytest.raises(DatasetError, match="stand for adt") as failure:
        registered(source, tmp_path / "home")
    one = registered(source, tmp_path / "0", modality_names=chosen(failure.value, 0))
    assert (values_of(one)["adt"] == counts()[:, 5:]).all()
    other = registered(source, tmp_path / "1", modality_names=chosen(failure.value, 1))
    assert (values_of(other)["adt"] == PROTEINS).all()
    assert (values_of(other)["rna"] == counts()[:, :5]).all()


def test_x_is_what_the_user_says(tmp_path: Path) -> None:
    data = make_anndata()
    data.obsm["protein_expression"] = frame()
    dataset = both(data, tmp_path, modality_names={"X": "atac"})
    assert list(dataset.record.modalities) == ["atac", "adt"]
    assert (values_of(dataset)["adt"] == PROTEINS).all()


@pytest.mark.parametrize("has_adt", [False, True])
def test_proteins_in_a_modality_of_mudata(has_adt: bool, tmp_path: Path) -> None:
    rna = make_anndata(obs=pd.DataFrame(index=make_anndata().obs_names))
    rna.obsm["protein_expression"] = frame()
    adt = make_anndata(csr_matrix(counts(12, 4, 9)), prefix="p", obs=rna.obs)
    data = make_mudata(rna=rna, **({"adt": adt} if has_adt else {}))
    dataset = registered(write(data, tmp_path / "a.h5mu"), tmp_path / "home")
    expected = counts(12, 4, 9) if has_adt else PROTEINS
    assert (values_of(dataset)["adt"] == expected).all()
    said = "left out" if has_adt else "adt: taken from obsm['protein_expression'] of rna"
    assert any(said in note for note in dataset.record.notes)
    assert (
        registered(
            tmp_path / "a.h5mu", tmp_path / "home2", batch_key="donor", label_key="cell_type"
        ).record.batch_key
        == "donor"
    )


def test_rows_of_other_cells_are_not_paired(tmp_path: Path) -> None:
    data = make_anndata()
    data.obsm["protein_expression"] = frame()

    def change(file: object) -> None:
        index = file["obsm/protein_expression/_index"]  # type: ignore[index]
        index[...] = index[...][::-1]

    dataset = registered(edited(write(data, tmp_path / "a.h5ad"), change), tmp_path / "home")
    assert list(dataset.record.modalities) == ["rna"]
    assert any("not named as the cells of obs" in note for note in dataset.record.notes)


def test_doubtful_proteins_are_taken_where_that_is_asked(tmp_path: Path) -> None:
    data = make_anndata()
    data.obsm["protein_counts"] = pd.DataFrame(
        np.ones((12, 12), dtype=np.int64),
        index=data.obs_names,
        columns=[f"CD{i}" for i in range(12)],
    )
    path = write(data, tmp_path / "a.h5ad")
    with pytest.raises(DatasetError, match="holds no raw counts: obsm") as failure:
        registered(path, tmp_path / "home")
    words = str(failure.value.remedy).split("take the values as they are with ")[1]
    option, layer = shlex.split(words.split(", or")[0].split(" or leave")[0])[:2]
    assert option == "--layer"
    name, _, matrix = layer.rpartition("=")
    dataset = registered(path, tmp_path / "home", layer={name: matrix} if name else matrix)
    assert (values_of(dataset)["adt"] == 1).all()
