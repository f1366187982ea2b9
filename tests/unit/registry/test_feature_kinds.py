"""Kinds of features: any column of ``var`` that holds them, and nothing against evidence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from multiverse.errors import DatasetError
from multiverse.registry.objects import register_object
from tests.unit.registry.registry_sources import (
    counts,
    make_anndata,
    make_mudata,
    read,
    write,
)
from tests.unit.registry.tenx_sources import chosen, registered, values_of

KINDS = ["rna", "adt", "rna", "atac", "rna", "adt", "atac"]
SPELLINGS = {
    "feature_types": {"rna": "Gene Expression", "adt": "Antibody Capture", "atac": "Peaks"},
    "feature_type": {"rna": "GEX", "adt": "ADT", "atac": "ATAC"},
    "modality": {"rna": "rna", "adt": "protein", "atac": "peaks"},
    "type": {"rna": "gene", "adt": "Surface Protein", "atac": "peak"},
    "assay": {"rna": "RNA", "adt": "Protein", "atac": "Chromatin Accessibility"},
    "what it is": {"rna": "mRNA", "adt": "antibody", "atac": "scATAC"},
}


def positions(modality: str) -> list[int]:
    return [i for i, kind in enumerate(KINDS) if kind == modality]


@pytest.mark.parametrize("categorical", [False, True])
@pytest.mark.parametrize("column", SPELLINGS)
def test_any_column_that_tells_the_kinds(column: str, categorical: bool, tmp_path: Path) -> None:
    data = make_anndata()
    values = [SPELLINGS[column][kind] for kind in KINDS]
    data.var["symbol"] = [f"S{i}" for i in range(7)]
    data.var["chromosome"] = ["1", "2", "X", "1", "1", "2", "Y"]
    data.var[column] = pd.Categorical(values) if categorical else values
    dataset = registered(write(data, tmp_path / "a.h5ad"), tmp_path / "home")
    assert list(dataset.record.modalities) == ["rna", "atac", "adt"]
    for name, found in values_of(dataset).items():
        assert (found == counts()[:, positions(name)]).all()
    said = f"kinds of features were taken from var[{column!r}]" in dataset.record.notes
    assert said == (column != "feature_types")
    same = register_object(data, slug="object", home=tmp_path / "home2")
    assert same.record.fingerprint == dataset.record.fingerprint


@pytest.mark.parametrize(
    "values",
    [
        ["protein_coding"] * 4 + ["lncRNA"] * 3,
        ["gene"] * 7,
        ["gene"] * 4 + ["ERCC"] * 3,
        ["protein", "x", "y", "z", "u", "v", "w"],
        [True, False] * 3 + [True],
        [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, np.nan],
    ],
)
def test_columns_that_tell_no_kinds(values: list[Any], tmp_path: Path) -> None:
    data = make_anndata()
    data.var["biotype"] = values
    dataset = registered(write(data, tmp_path / "a.h5ad"), tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()).all()


def test_a_file_of_proteins_alone(tmp_path: Path) -> None:
    data = make_anndata()
    data.var["modality"] = "ADT"
    dataset = registered(write(data, tmp_path / "a.h5ad"), tmp_path / "home")
    assert (values_of(dataset)["adt"] == counts()).all()


def test_features_without_a_kind_are_counted(tmp_path: Path) -> None:
    data = make_anndata()
    data.var["feature_types"] = pd.Categorical(["Gene Expression"] * 5 + [None, None])
    dataset = registered(write(data, tmp_path / "a.h5ad"), tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()[:, :5]).all()
    (note,) = dataset.record.notes
    assert "2 features without a value in var['feature_types']" in note


def test_the_column_that_tells_more_is_taken(tmp_path: Path) -> None:
    """As after joining two tables of which only one had the usual column."""
    data = make_anndata()
    data.var["feature_types"] = pd.Categorical(["Gene Expression"] * 5 + [None, None])
    data.var["modality"] = ["rna"] * 5 + ["adt"] * 2
    dataset = registered(write(data, tmp_path / "a.h5ad"), tmp_path / "home")
    assert (values_of(dataset)["adt"] == counts()[:, 5:]).all()


@pytest.mark.parametrize(
    ("alternative", "n_rna"), [(0, 7), (1, 5)], ids=["the usual column", "the other"]
)
def test_two_columns_that_disagree(alternative: int, n_rna: int, tmp_path: Path) -> None:
    data = make_anndata()
    data.var["feature_types"] = "Gene Expression"
    data.var["modality"] = ["Gene"] * 5 + ["it's a Protein", "Protein"]
    data.var.loc["g5", "modality"] = "Protein"
    source = write(data, tmp_path / "a.h5ad")
    with pytest.raises(DatasetError, match="disagree about the kind of 2 of 7") as failure:
        registered(source, tmp_path / "home")
    assert "'g5': 'Gene Expression' and 'Protein'" in str(failure.value)
    if alternative == 0:
        names = {"feature_types:Gene Expression": "rna"}
        assert "'feature_types:Gene Expression=rna'" in str(failure.value.remedy)
    else:
        names = {"modality:Gene": "rna", "modality:Protein": "adt"}
        options = "--modality modality:Gene=rna --modality modality:Protein=adt"
        assert options in str(failure.value.remedy)
    dataset = registered(source, tmp_path / "home", modality_names=names)
    assert (values_of(dataset)["rna"] == counts()[:, :n_rna]).all()
    assert ("adt" in dataset.record.modalities) == (n_rna == 5)


def test_the_same_words_for_other_features(tmp_path: Path) -> None:
    data = make_anndata()
    data.var["modality"] = ["rna"] * 5 + ["adt"] * 2
    data.var["assay"] = ["rna"] * 4 + ["adt"] * 3
    source = write(data, tmp_path / "a.h5ad")
    with pytest.raises(DatasetError, match="disagree"):
        registered(source, tmp_path / "home")
    with pytest.raises(DatasetError, match="disagree"):
        registered(source, tmp_path / "home", modality_names={"adt": "adt"})
    dataset = registered(source, tmp_path / "home", modality_names={"assay:adt": "adt"})
    assert (values_of(dataset)["adt"] == counts()[:, 4:]).all()


def test_two_words_for_one_modality_in_a_column(tmp_path: Path) -> None:
    data = make_anndata()
    data.var["modality"] = ["rna"] * 3 + ["gene"] * 2 + ["adt"] * 2
    source = write(data, tmp_path / "a.h5ad")
    with pytest.raises(DatasetError, match="Both 'rna' and 'gene' stand for rna") as failure:
        registered(source, tmp_path / "home")
    dataset = registered(source, tmp_path / "home", modality_names=chosen(failure.value))
    assert (values_of(dataset)["rna"] == counts()[:, :3]).all()
    assert any("'gene' (2 features)" in note for note in dataset.record.notes)


@pytest.mark.parametrize("fits", [True, False])
def test_raw_is_split_as_well(fits: bool, tmp_path: Path) -> None:
    """Genes alone in X, genes and proteins in raw: proteins are not taken for genes."""
    data = make_anndata()
    data.var["feature_types"] = ["Gene Expression"] * 5 + ["Antibody Capture"] * 2
    whole = data.copy()
    data = data[:, : 5 if fits else 4].copy()
    data.X = data.X.log1p()
    data.raw = whole
    dataset = registered(write(data, tmp_path / "a.h5ad"), tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()[:, :5]).all()
    assert any("raw also holds 'Antibody Capture'" in note for note in dataset.record.notes)


PEAKS = [f"chr{i + 1}:{i}000-{i}500" for i in range(7)]


@pytest.mark.parametrize(
    ("names", "modality"),
    [
        (PEAKS, "atac"),
        ([name.replace(":", "-") for name in PEAKS], "atac"),
        ([name.replace(":", "_").replace("-", "_") for name in PEAKS], "atac"),
        (["GL000194.1:100-900", *PEAKS[1:]], "atac"),
        ([f"CD{i}_TotalSeqB" for i in range(7)], "adt"),
        ([f"ADT-CD{i}" for i in range(7)], "adt"),
        ([f"CD{i}_prot" for i in range(7)], "adt"),
        ([f"anti-human CD{i}" for i in range(7)], "adt"),
    ],
)
def test_names_that_speak_against_rna(names: list[str], modality: str, tmp_path: Path) -> None:
    data = make_anndata()
    data.var_names = names
    source = write(data, tmp_path / "a.h5ad")
    with pytest.raises(DatasetError, match=f"such as '{names[0]}'") as failure:
        registered(source, tmp_path / "home")
    assert f"--modality X={modality}" in str(failure.value.remedy)
    dataset = registered(source, tmp_path / "home", modality_names={"X": modality})
    assert (values_of(dataset)[modality] == counts()).all()
    dataset = registered(source, tmp_path / "home2", modality_names={"X": "rna"})
    assert (values_of(dataset)["rna"] == counts()).all()


@pytest.mark.parametrize(
    "names",
    [
        ["MT-CO1", "HLA-DRA", "RP11-34P13.7", "AC123456.1", "7SK", "NKX2-5", "H2-K1"],
        ["ENSG00000243485", "ENSG00000243485.5", "1-Mar", "Gm12345", "ERCC-00002", "PROT", "ADTRP"],
        ["C1orf112", "LOC100_1", "5S_rRNA", "Y_RNA", "CTD-2192J16.20", "hsa-mir-1-2", "CD8A"],
    ],
)
def test_names_of_genes_do_not(names: list[str], tmp_path: Path) -> None:
    data = make_anndata()
    data.var_names = names
    dataset = registered(write(data, tmp_path / "a.h5ad"), tmp_path / "home")
    assert list(dataset.record.modalities) == ["rna"]


def test_genes_and_peaks_without_a_column(tmp_path: Path) -> None:
    """The lines of the next step write the column; the file they make is read rightly."""
    values = csr_matrix(np.hstack([counts(), counts(12, 7, 1)]))
    names = [*(f"GENE{i}" for i in range(7)), *PEAKS]
    data = AnnData(values, obs=make_anndata().obs, var=pd.DataFrame(index=names))
    source = write(data, tmp_path / "it's mine.h5ad")
    with pytest.raises(DatasetError, match="7 of 14 features are named as peaks are") as failure:
        registered(source, tmp_path / "home")
    command = str(failure.value.remedy)
    command = command[command.index("python -c") : command.index(" If all of them")]
    command = command.replace("python", sys.executable, 1)
    subprocess.run(["/bin/sh", "-c", command], check=True, cwd=tmp_path)
    dataset = registered(tmp_path / "it's mine_kinds.h5ad", tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()).all()
    assert (values_of(dataset)["atac"] == counts(12, 7, 1)).all()


def test_an_object_of_genes_and_peaks_without_a_column(tmp_path: Path) -> None:
    data = make_anndata()
    data.var_names = [*(f"GENE{i}" for i in range(2)), *PEAKS[:5]]
    with pytest.raises(DatasetError, match="the object: 5 of 7 features are named") as failure:
        register_object(data, slug="a", home=tmp_path)
    assert str(failure.value.remedy) == (
        'Write the kinds (Peaks, Gene Expression) into var["feature_types"], and register it '
        "again. If all of them are genes: --modality X=rna"
    )
    data.var["feature_types"] = ["Gene Expression"] * 2 + ["Peaks"] * 5
    dataset = register_object(data, slug="a", home=tmp_path)
    assert (values_of(dataset)["atac"] == counts()[:, 2:]).all()


def with_kinds(kinds: list[str]) -> AnnData:
    data = make_anndata()
    data.var["feature_types"] = kinds
    return data


def test_a_modality_of_mudata_with_other_kinds_is_split(tmp_path: Path) -> None:
    kinds = ["Gene Expression"] * 4 + ["Antibody Capture"] * 2 + ["Custom"]
    source = write(make_mudata(gex=with_kinds(kinds)), tmp_path / "a.h5mu")
    dataset = registered(source, tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()[:, :4]).all()
    assert (values_of(dataset)["adt"] == counts()[:, 4:6]).all()
    assert any("'Custom' (1 features)" in note for note in dataset.record.notes)


def test_kinds_that_another_modality_is_are_left_out(tmp_path: Path) -> None:
    kinds = ["Gene Expression"] * 4 + ["Antibody Capture"] * 3
    data = make_mudata(rna=with_kinds(kinds), adt=make_anndata(csr_matrix(counts(12, 3, 1))))
    dataset = registered(write(data, tmp_path / "a.h5mu"), tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()[:, :4]).all()
    assert (values_of(dataset)["adt"] == counts(12, 3, 1)).all()
    assert any("3 features of 'Antibody Capture' left out" in note for note in dataset.record.notes)


def test_a_modality_of_mudata_with_another_name(tmp_path: Path) -> None:
    source = write(make_mudata(rna=with_kinds(["Peaks"] * 7)), tmp_path / "a.h5mu")
    with pytest.raises(DatasetError, match="named as rna, but its features are 'Peaks'") as failure:
        registered(source, tmp_path / "home")
    for number, modality in enumerate(("atac", "rna")):
        names = chosen(failure.value, number)
        dataset = registered(source, tmp_path / modality, modality_names=names)
        assert (values_of(dataset)[modality] == counts()).all()
        assert list(read(dataset).mod) == [modality]
