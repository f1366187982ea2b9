"""What registration makes of good sources: equal counts, aligned cells, labels apart."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_matrix, csr_matrix

from multiverse.contract import CellNames
from multiverse.errors import DatasetError
from multiverse.registry import matrix
from multiverse.registry.datasets import find_dataset
from multiverse.registry.objects import register_object
from multiverse.registry.registration import RegistrationOptions, register
from tests.told import notes_into
from tests.unit.registry.registry_sources import (
    LABELS,
    cells,
    counts,
    dense,
    make_anndata,
    make_mudata,
    read,
    shared,
    write,
)

BATCH_AND_LABELS = RegistrationOptions(batch_key="donor", label_key="cell_type")


def texts_in(path: Path) -> set[str]:
    """Every text in an HDF5 file: names of objects, attributes, values."""
    found: set[str] = set()

    def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        found.update(name.split("/"))
        for key, value in node.attrs.items():
            found.update([key, *map(str, np.ravel(value))])
        if isinstance(node, h5py.Dataset) and node.dtype.kind in "OS":
            found.update(map(str, np.ravel(node.asstr()[...])))

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


@pytest.mark.data
@pytest.mark.parametrize("slug", ["pbmc_citeseq_2batch", "mop_snareseq_2k"])
def test_real_data_come_back_exactly(slug: str, tmp_path: Path) -> None:
    source = shared(slug)
    said: list[str] = []
    options = RegistrationOptions(batch_key="batch", label_key="cell_type")
    dataset = register(source, options=options, home=tmp_path, tell=notes_into(said))
    before, after = read(source), read(dataset)
    assert list(after.mod) == list(before.mod)
    assert after.obs_names.tolist() == before.obs_names.tolist()
    assert list(CellNames.read(dataset.data).names) == before.obs_names.tolist()
    assert list(after.obs) == ["batch"]
    assert after.obs["batch"].astype(str).tolist() == before.obs["batch"].astype(str).tolist()
    for name, modality in after.mod.items():
        assert abs(modality.X - before[name].X).sum() == 0
        assert modality.X.dtype == np.float32
        assert modality.X.has_canonical_format
        assert modality.X.indptr.dtype == modality.X.indices.dtype == np.int32
        assert modality.var_names.tolist() == before[name].var_names.tolist()
        assert modality.obs.equals(after.obs)
        assert any(f"{name}: {modality.n_obs:,} cells" in line for line in said)
        assert dataset.record.modalities[name].n_values == before[name].X.nnz
    labels = read_h5ad(dataset.labels)
    assert labels.obs_names.tolist() == before.obs_names.tolist()
    assert labels.obs["cell_type"].astype(str).tolist() == before.obs["cell_type"].tolist()
    kinds = set(before.obs["cell_type"].astype(str))
    assert dataset.record.n_labels == len(kinds)
    assert not kinds & texts_in(dataset.data)
    assert not {"cell_type", "cell_type_coarse"} & texts_in(dataset.data)


@pytest.mark.data
def test_real_mosaic_is_refused_with_numbers_or_cut(tmp_path: Path) -> None:
    source = shared("pbmc_mosaic")
    with pytest.raises(DatasetError, match=r"1,500 of 3,000 cells have no adt") as failure:
        register(source, home=tmp_path)
    assert "--intersect" in str(failure.value.remedy)
    assert "1,500" in str(failure.value.remedy)
    assert not [path for path in tmp_path.rglob("*") if path.suffix not in ("", ".lock")]
    dataset = register(source, options=RegistrationOptions(intersect=True), home=tmp_path)
    before, after = read(source), read(dataset)
    assert after.obs_names.tolist() == before["adt"].obs_names.tolist()
    assert abs(after["rna"].X - before["rna"][after.obs_names].X).sum() == 0
    assert any("1,500 of 3,000 cells were kept" in note for note in dataset.record.notes)


@pytest.mark.data
def test_real_hashtags_are_left_out_with_a_note(tmp_path: Path) -> None:
    dataset = register(shared("pbmc_eccite_500"), home=tmp_path)
    assert set(dataset.record.modalities) == {"rna", "adt"}
    assert any("'hto'" in note for note in dataset.record.notes)
    assert not dataset.labels.exists()
    assert dataset.record.label_key is None
    assert dataset.record.batch_key is None


def test_models_see_the_batch_and_nothing_else(tmp_path: Path) -> None:
    data = make_anndata()
    data.var["marker_of"] = LABELS[0]
    data.var["gene_ids"] = [f"ENSG{i}" for i in range(data.n_vars)]
    data.uns["cell_type_colors"] = list(LABELS)
    data.obsm["one_hot"] = pd.get_dummies(data.obs["cell_type"])
    data.layers["smooth"] = data.X.copy()
    dataset = register(
        write(data, tmp_path / "a.h5ad"), options=BATCH_AND_LABELS, home=tmp_path / "home"
    )
    seen = texts_in(dataset.data)
    assert not [text for text in seen for label in LABELS if label in text]
    assert not {"cell_type", "age", "one_hot", "smooth", "marker_of"} & seen
    content = dataset.data.read_bytes()
    assert not [label for label in LABELS if label.encode() in content]
    after = read(dataset)
    assert list(after.obs) == ["donor"]
    assert list(after["rna"].var) == ["gene_ids"]
    labels = read_h5ad(dataset.labels).obs
    assert labels["age"].tolist() == data.obs["age"].tolist()
    assert labels["cell_type"].tolist() == data.obs["cell_type"].tolist()
    assert labels["donor"].tolist() == data.obs["donor"].tolist()


def test_without_keys_no_label_and_no_batch_is_invented(tmp_path: Path) -> None:
    dataset = register(write(make_anndata(), tmp_path / "a.h5ad"), home=tmp_path / "home")
    record = dataset.record
    assert (record.batch_key, record.label_key, record.n_labels) == (None, None, None)
    assert list(read(dataset).obs) == []
    assert set(read_h5ad(dataset.labels).obs) == {"donor", "cell_type", "age"}


def test_versions_are_read_only_and_found(tmp_path: Path) -> None:
    home = tmp_path / "home"
    dataset = register(write(make_anndata(), tmp_path / "My Data!.h5ad"), home=home)
    assert dataset.record.slug == "my-data"
    assert find_dataset("my-data", home) == dataset
    assert {path.name for path in dataset.folder.iterdir()} == {
        "data.h5mu",
        "labels.h5ad",
        "dataset.json",
    }
    for path in dataset.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert {path.name for path in dataset.folder.parent.iterdir()} == {
        "current",
        dataset.folder.name,
    }


@pytest.mark.parametrize("kind", [csr_matrix, csc_matrix, np.asarray])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, bool])
def test_every_way_to_store_counts_gives_the_same(kind: Any, dtype: Any, tmp_path: Path) -> None:
    values = counts()
    if dtype is bool:
        values = values > 0
    data = make_anndata(csr_matrix(values.astype(np.float32)))
    data.X = kind(values.astype(dtype))
    dataset = register(write(data, tmp_path / "a.h5ad"), home=tmp_path / "home")
    assert (dense(read(dataset)["rna"]) == values.astype(np.float32)).all()


def test_explicit_zeros_and_unsorted_indices_become_canonical(tmp_path: Path) -> None:
    messy = csr_matrix(
        (np.array([1.0, 0, 2, 3]), np.array([4, 0, 1, 2]), np.array([0, 3, 4])), shape=(2, 5)
    )
    data = AnnData(messy, obs=cells(2), var=pd.DataFrame(index=list("abcde")))
    dataset = register(write(data, tmp_path / "a.h5ad"), home=tmp_path / "home")
    after = read(dataset)["rna"].X
    assert after.indices.tolist() == [1, 4, 2]
    assert after.data.tolist() == [2, 1, 3]
    assert dataset.record.modalities["rna"].n_values == 3


def test_blocks_smaller_than_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = counts(50, 9)
    source = write(make_anndata(csr_matrix(values), obs=cells(50)), tmp_path / "a.h5ad")
    whole = register(source, home=tmp_path / "one")
    monkeypatch.setattr(matrix, "BLOCK_VALUES", 13)
    pieces = register(source, home=tmp_path / "two")
    assert (dense(read(pieces)["rna"]) == values).all()
    assert pieces.record.fingerprint == whole.record.fingerprint


def test_empty_cells_and_features_are_kept_and_counted(tmp_path: Path) -> None:
    values = counts()
    values[[2, 5]] = 0
    values[:, 3] = 0
    data = make_anndata(csr_matrix(values))
    dataset = register(write(data, tmp_path / "a.h5ad"), home=tmp_path / "home")
    summary = dataset.record.modalities["rna"]
    assert (summary.empty_cells, summary.empty_features) == (2, 1)
    assert (dense(read(dataset)["rna"]) == values).all()
    assert "rna: 2 cells have no count" in dataset.record.notes
    assert "rna: 1 features have no count" in dataset.record.notes


def test_repeated_feature_names_are_made_unique(tmp_path: Path) -> None:
    data = make_anndata()
    data.var_names = ["A", "B", "A", "C", "A", "A-1", "D"]
    dataset = register(write(data, tmp_path / "a.h5ad"), home=tmp_path / "home")
    names = read(dataset)["rna"].var_names
    assert names.is_unique
    assert names[[0, 1, 3]].tolist() == ["A", "B", "C"]
    assert any("2 repeated feature names" in note for note in dataset.record.notes)


def test_features_named_alike_in_two_modalities(tmp_path: Path) -> None:
    data = make_mudata(rna=make_anndata(), adt=make_anndata(csr_matrix(counts(12, 3)), prefix="g"))
    dataset = register(write(data, tmp_path / "a.h5mu"), home=tmp_path / "home")
    after = read(dataset)
    assert after.var_names.is_unique
    assert after["adt"].var_names.tolist() == ["adt:g0", "adt:g1", "adt:g2"]
    assert after["rna"].var_names[0] == "g0"
    assert any("named as in another modality" in note for note in dataset.record.notes)


@pytest.mark.parametrize("place", ["layers", "raw", "layer"])
def test_counts_are_found_beside_normalised_values(place: str, tmp_path: Path) -> None:
    data = make_anndata()
    if place == "raw":
        data.raw = data.copy()
        data = data[:, :4].copy()
    else:
        data.layers["counts" if place == "layers" else "umi"] = data.X.copy()
    data.X = data.X.astype(np.float64).log1p()
    options = RegistrationOptions(layer="umi" if place == "layer" else None)
    dataset = register(write(data, tmp_path / "a.h5ad"), options=options, home=tmp_path / "home")
    after = read(dataset)["rna"]
    assert (dense(after) == counts()).all()
    assert after.var_names.tolist() == [f"g{i}" for i in range(7)]
    said = [note for note in dataset.record.notes if "counts were taken from" in note]
    assert len(said) == (0 if place == "layer" else 1)


def test_a_named_layer_wins_over_counts_in_x(tmp_path: Path) -> None:
    data = make_anndata()
    data.layers["umi"] = csr_matrix(counts(seed=9))
    source = write(data, tmp_path / "a.h5ad")
    dataset = register(source, options=RegistrationOptions(layer="umi"), home=tmp_path / "home")
    assert (dense(read(dataset)["rna"]) == counts(seed=9)).all()


def test_a_bad_value_in_the_last_cell_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "BLOCK_VALUES", 10)
    data = make_anndata()
    data.layers["counts"] = data.X.copy()
    data.X[11, 6] = 0.5
    dataset = register(write(data, tmp_path / "a.h5ad"), home=tmp_path / "home")
    assert (dense(read(dataset)["rna"]) == counts()).all()
    assert any("'cell11'" in note and "0.5" in note for note in dataset.record.notes)


def test_h5ad_is_split_by_feature_types(tmp_path: Path) -> None:
    data = make_anndata()
    data.var["feature_types"] = [
        "Gene Expression", "Antibody Capture", "Gene Expression", "Peaks", "Custom", "Peaks",
        "Gene Expression",
    ]  # fmt: skip
    dataset = register(write(data, tmp_path / "a.h5ad"), home=tmp_path / "home")
    after = read(dataset)
    assert list(after.mod) == ["rna", "atac", "adt"]
    for name, columns in {"rna": [0, 2, 6], "atac": [3, 5], "adt": [1]}.items():
        assert (dense(after[name]) == counts()[:, columns]).all()
        assert after[name].var_names.tolist() == [f"g{i}" for i in columns]
    assert any("'Custom'" in note for note in dataset.record.notes)


@pytest.mark.parametrize(
    ("types", "names", "expected"),
    [
        (None, {}, "rna"),
        (None, {"X": "atac"}, "atac"),
        ("Peaks", {}, "atac"),
        ("Antibody Capture", {}, "adt"),
        ("something", {}, "rna"),
        ("something", {"something": "adt"}, "adt"),
        ("Gene Expression", {"X": "atac"}, "atac"),
    ],
)
def test_h5ad_of_one_modality(
    types: str | None, names: dict[str, str], expected: str, tmp_path: Path
) -> None:
    data = make_anndata()
    if types:
        data.var["feature_types"] = types
    options = RegistrationOptions(modality_names=names)
    dataset = register(write(data, tmp_path / "a.h5ad"), options=options, home=tmp_path / "home")
    assert list(dataset.record.modalities) == [expected]
    assert (dense(read(dataset)[expected]) == counts()).all()


@pytest.mark.parametrize(
    ("old", "new"),
    [("gex", "rna"), ("Gene Expression", "rna"), ("peaks", "atac"), ("prot", "adt"),
     ("Antibody Capture", "adt"), ("CITE", "adt"), ("ATAC", "atac")],
)  # fmt: skip
def test_h5mu_modalities_by_known_names(old: str, new: str, tmp_path: Path) -> None:
    source = write(make_mudata(**{old: make_anndata()}), tmp_path / "a.h5mu")
    assert list(register(source, home=tmp_path / "home").record.modalities) == [new]


def test_a_chosen_name_wins_over_a_known_one(tmp_path: Path) -> None:
    spliced = make_anndata(csr_matrix(counts(seed=5)), prefix="s")
    source = write(make_mudata(rna=make_anndata(), spliced=spliced), tmp_path / "a.h5mu")
    options = RegistrationOptions(modality_names={"spliced": "rna"})
    dataset = register(source, options=options, home=tmp_path / "home")
    assert (dense(read(dataset)["rna"]) == counts(seed=5)).all()
    assert any("'rna'" in note for note in dataset.record.notes)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000), dropped=st.integers(0, 5))
def test_cells_are_aligned_whatever_their_order(
    seed: int, dropped: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each modality in an order of its own, some cells missing in one, gathered by small blocks."""
    folder = tmp_path_factory.mktemp("aligned")
    random = np.random.default_rng(seed)
    rna = make_anndata(obs=pd.DataFrame(index=cells().index))[random.permutation(12)].copy()
    adt = make_anndata(
        csr_matrix(counts(12, 3, 1)), prefix="p", obs=rna.obs.iloc[:0].reindex(cells().index)
    )[random.permutation(12)[: 12 - dropped]].copy()
    data = make_mudata(rna=rna, adt=adt)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrix, "BLOCK_VALUES", 8)
        patch.setattr("multiverse.registry.spool.BLOCK_VALUES", 8)
        dataset = register(
            write(data, folder / "a.h5mu"),
            options=RegistrationOptions(intersect=True, batch_key="donor"),
            home=folder / "home",
        )
    after = read(dataset)
    expected = [name for name in data.obs_names if name in set(adt.obs_names)]
    assert after.obs_names.tolist() == expected
    assert after.obs["donor"].tolist() == cells().loc[expected, "donor"].tolist()
    for name, original in {"rna": rna, "adt": adt}.items():
        assert after[name].obs_names.tolist() == expected
        assert (dense(after[name]) == dense(original[expected])).all()
    assert not [path for path in dataset.folder.iterdir() if path.is_dir()]


@pytest.mark.parametrize("key", ["donor", "rna:donor"])
def test_the_batch_may_be_in_a_modality_only(key: str, tmp_path: Path) -> None:
    data = make_mudata()
    data["rna"].obs["donor"] = cells()["donor"]
    data.obs = cells()[["cell_type"]]
    options = RegistrationOptions(batch_key=key, label_key="cell_type")
    dataset = register(write(data, tmp_path / "a.h5mu"), options=options, home=tmp_path / "home")
    assert dataset.record.batch_key == "donor"
    assert dataset.record.n_batches == 2
    assert read(dataset).obs["donor"].tolist() == cells()["donor"].tolist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2] * 6, ["1", "2"]),
        ([1.0, 2.5] * 6, ["1", "2.5"]),
        ([True, False] * 6, ["False", "True"]),
        (pd.Categorical(["b", "a"] * 6, categories=["b", "a", "unused"]), ["a", "b"]),
        (["Ωmega", "ß"] * 6, ["ß", "Ωmega"]),
    ],
)
def test_batches_become_text(values: Any, expected: list[str], tmp_path: Path) -> None:
    data = make_anndata()
    data.obs["donor"] = values
    dataset = register(
        write(data, tmp_path / "a.h5ad"), options=BATCH_AND_LABELS, home=tmp_path / "home"
    )
    assert read(dataset).obs["donor"].cat.categories.tolist() == expected


def test_unlabelled_cells_are_no_label(tmp_path: Path) -> None:
    data = make_anndata()
    data.obs["cell_type"] = ["T", "B", "unknown", None] * 3
    options = RegistrationOptions(label_key="cell_type", unlabelled=("unknown", "absent"))
    dataset = register(write(data, tmp_path / "a.h5ad"), options=options, home=tmp_path / "home")
    assert dataset.record.n_labels == 2
    assert dataset.record.unlabelled == ("unknown", "absent")
    assert "6 of 12 cells have no label" in dataset.record.notes
    assert "unlabelled has no effect for 'absent': no cell is labelled so" in dataset.record.notes
    assert read_h5ad(dataset.labels).obs["cell_type"].isna().sum() == 3


def test_a_symlink_that_the_user_made_is_followed(tmp_path: Path) -> None:
    write(make_anndata(), tmp_path / "a.h5ad")
    (tmp_path / "link.h5ad").symlink_to("a.h5ad")
    assert register(tmp_path / "link.h5ad", home=tmp_path / "home").record.slug == "link"


@pytest.mark.parametrize("kind", ["anndata", "mudata"])
def test_an_object_is_registered_and_not_changed(kind: str, tmp_path: Path) -> None:
    data = make_anndata() if kind == "anndata" else make_mudata()
    data.uns["anything"] = object()  # can't be written, and need not be
    before = data.obs.copy()
    matrix_before = (data if kind == "anndata" else data["rna"]).X
    dataset = register_object(data, slug="mine", options=BATCH_AND_LABELS, home=tmp_path)
    assert (dense(read(dataset)["rna"]) == counts()).all()
    pd.testing.assert_frame_equal(data.obs, before)
    assert (data if kind == "anndata" else data["rna"]).X is matrix_before
    assert {path.name for path in (tmp_path / "datasets").iterdir()} == {"mine", ".mine.lock"}
    assert register_object(data, slug="mine", options=BATCH_AND_LABELS, home=tmp_path) == dataset


@pytest.mark.parametrize("kind", ["anndata", "mudata"])
def test_text_with_missing_values_of_an_object_stays_missing(kind: str, tmp_path: Path) -> None:
    data = make_anndata() if kind == "anndata" else make_mudata()
    words: list[str | None] = ["a", None] * 6
    data.obs["remark"] = pd.Series(words, index=data.obs_names, dtype=object)
    dataset = register_object(data, slug="mine", options=BATCH_AND_LABELS, home=tmp_path)
    kept = read_h5ad(dataset.labels).obs["remark"]
    assert [None if pd.isna(word) else word for word in kept] == words
    assert data.obs["remark"].dtype == object
