"""HDF5 files of Cell Ranger and of tools that write the same."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from multiverse.errors import DatasetError
from multiverse.registry import matrix
from tests.unit.registry.registry_sources import counts, edited, make_anndata, read, write
from tests.unit.registry.tenx_sources import (
    BARCODES,
    CITE,
    GENES,
    MULTIOME,
    chosen,
    registered,
    values_of,
    write_csr,
    write_folder,
    write_h5,
    write_old_h5,
    write_texts,
)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (None, {"rna": range(7)}),
        (MULTIOME, {"rna": range(4), "atac": range(4, 7)}),
        (CITE, {"rna": range(5), "adt": range(5, 7)}),
        (
            ["Peaks", "Gene Expression", "Antibody Capture", *["Gene Expression"] * 4],
            {"rna": [1, 3, 4, 5, 6], "atac": [0], "adt": [2]},
        ),
        (["Peaks"] * 7, {"atac": range(7)}),
        (["Antibody Capture"] * 7, {"adt": range(7)}),
    ],
)
def test_features_are_split_by_type(
    kinds: list[str] | None,
    expected: dict[str, list[int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matrix, "BLOCK_VALUES", 10)
    source = write_h5(tmp_path / "filtered_feature_bc_matrix.h5", kinds)
    dataset = registered(source, tmp_path / "home")
    after = read(dataset)
    assert after.obs_names.tolist() == BARCODES
    assert list(after.mod) == list(expected)
    for name, columns in expected.items():
        assert (values_of(dataset)[name] == counts()[:, list(columns)]).all()
        assert after[name].var_names.tolist() == [GENES[i] for i in columns]
        assert after[name].var["gene_ids"].tolist() == [f"ID_{GENES[i]}" for i in columns]


def test_guides_and_hashtags_are_named_and_left_out(tmp_path: Path) -> None:
    kinds = [*CITE[:4], "CRISPR Guide Capture", "Multiplexing Capture", "Antibody Capture"]
    dataset = registered(write_h5(tmp_path / "a.h5", kinds), tmp_path / "home")
    assert list(values_of(dataset)) == ["rna", "adt"]
    (note,) = (note for note in dataset.record.notes if "left out" in note)
    assert "'CRISPR Guide Capture' (1 features)" in note
    assert "'Multiplexing Capture' (1 features)" in note


def test_a_type_may_be_chosen(tmp_path: Path) -> None:
    source = write_h5(tmp_path / "a.h5", [*["Gene Expression"] * 4, *["Custom"] * 3])
    dataset = registered(source, tmp_path / "home", modality_names={"Custom": "adt"})
    assert (values_of(dataset)["adt"] == counts()[:, 4:]).all()


def test_types_of_no_modality_alone(tmp_path: Path) -> None:
    source = write_h5(tmp_path / "a.h5", ["Custom"] * 7)
    with pytest.raises(DatasetError) as failure:
        registered(source, tmp_path / "home")
    dataset = registered(source, tmp_path / "home", modality_names=chosen(failure.value))
    assert (values_of(dataset)["rna"] == counts()).all()


def test_an_old_file_of_one_genome(tmp_path: Path) -> None:
    dataset = registered(write_old_h5(tmp_path / "a.h5", "hg19"), tmp_path / "home")
    after = read(dataset)
    assert (values_of(dataset)["rna"] == counts()).all()
    assert after["rna"].var_names.tolist() == GENES
    assert after["rna"].var["gene_ids"].iloc[0] == "ID_GENE0"


def test_an_old_file_of_two_genomes_asks_which(tmp_path: Path) -> None:
    source = write_old_h5(tmp_path / "a.h5", "hg19", "mm10")
    with pytest.raises(DatasetError, match="one for each genome: hg19, mm10") as failure:
        registered(source, tmp_path / "home")
    for number in (0, 1):
        names = chosen(failure.value, number)
        dataset = registered(source, tmp_path / str(number), modality_names=names)
        assert (values_of(dataset)["rna"] == counts(seed=number)).all()


def test_two_genomes_in_one_matrix_are_said(tmp_path: Path) -> None:
    source = write_h5(tmp_path / "a.h5")
    genomes = ["GRCh38"] * 4 + ["mm10"] * 3

    def change(file: h5py.File) -> None:
        del file["matrix/features/genome"]
        write_texts(file["matrix/features"], "genome", genomes)

    dataset = registered(edited(source, change), tmp_path / "home")
    assert "rna: genes of 2 genomes: GRCh38, mm10" in dataset.record.notes
    assert read(dataset)["rna"].var["genome"].tolist() == genomes


def cellbender_3(file: h5py.File) -> None:
    """What CellBender 0.3 adds, and its counts as floats."""
    for name in ("droplet_latents", "global_latents", "metadata"):
        file.create_group(name)["values"] = np.linspace(0, 1, 9)
    data = file["matrix/data"][...].astype("f8")
    del file["matrix/data"]
    file["matrix/data"] = data


def cellbender_2(file: h5py.File) -> None:
    """What CellBender 0.2 adds, in the matrix itself."""
    file["matrix/latent_gene_encoding"] = np.ones((12, 3))
    file["matrix/latent_cell_probability"] = np.ones(12)
    file["matrix/barcode_indices_for_latents"] = np.arange(12)


@pytest.mark.parametrize("change", [cellbender_2, cellbender_3])
def test_output_of_cellbender(change: object, tmp_path: Path) -> None:
    source = edited(write_h5(tmp_path / "out_filtered.h5", CITE), change)  # type: ignore[arg-type]
    dataset = registered(source, tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()[:, :5]).all()
    assert (values_of(dataset)["adt"] == counts()[:, 5:]).all()


def test_output_of_cellbender_on_an_old_file(tmp_path: Path) -> None:
    source = write_old_h5(tmp_path / "a.h5", "background_removed")
    dataset = registered(source, tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()).all()


def test_fractions_are_no_counts(tmp_path: Path) -> None:
    source = write_h5(tmp_path / "a.h5", values=counts() * 0.5)
    with pytest.raises(DatasetError, match="is not a whole number"):
        registered(source, tmp_path / "home")


def test_no_types_but_names_of_peaks(tmp_path: Path) -> None:
    names = [f"chr1:{i}00-{i}50" for i in range(1, 8)]

    def change(file: h5py.File) -> None:
        del file["matrix/features/feature_type"]

    source = edited(write_h5(tmp_path / "a.h5", names=names), change)
    with pytest.raises(DatasetError, match="named as peaks are") as failure:
        registered(source, tmp_path / "home")
    assert "--modality X=atac" in str(failure.value.remedy)
    dataset = registered(source, tmp_path / "home", modality_names={"X": "atac"})
    assert (values_of(dataset)["atac"] == counts()).all()


def test_content_tells_what_a_file_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    tenx = write_h5(tmp_path / "a.h5ad", CITE)
    assert list(registered(tenx, home).record.modalities) == ["rna", "adt"]
    anndata = write(make_anndata(), tmp_path / "x.h5ad").rename(tmp_path / "b.h5")
    assert list(registered(anndata, home).record.modalities) == ["rna"]
    nameless = write_h5(tmp_path / "matrix_without_suffix")
    assert list(registered(nameless, home).record.modalities) == ["rna"]


def molecule_info(file: h5py.File) -> None:
    for name in ("barcode_idx", "count", "feature_idx", "gem_group", "umi"):
        file[name] = np.arange(5)
    file.create_group("barcode_info")


def feature_slice(file: h5py.File) -> None:
    file.attrs["filetype"] = "feature_slice"
    file.create_group("feature_slices")


@pytest.mark.parametrize(
    ("change", "said"), [(molecule_info, "list of molecules"), (feature_slice, "'feature_slice'")]
)
def test_other_files_of_cell_ranger(change: object, said: str, tmp_path: Path) -> None:
    source = tmp_path / "molecule_info.h5"
    with h5py.File(source, "w") as file:
        change(file)  # type: ignore[operator]
    write_h5(tmp_path / "filtered_feature_bc_matrix.h5", CITE)
    write_h5(tmp_path / "raw_feature_bc_matrix.h5", CITE)
    with pytest.raises(DatasetError, match=said) as failure:
        registered(source, tmp_path / "home")
    named = Path(shlex.split(str(failure.value.remedy))[-1])
    assert named.name == "filtered_feature_bc_matrix.h5"
    assert (values_of(registered(named, tmp_path / "home"))["adt"] == counts()[:, 5:]).all()


def lie(path: str, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[path]
        file[path] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        lie("matrix/shape", np.array([7, 10**9])),
        lie("matrix/shape", np.array([12, 7])),
        lie("matrix/indptr", np.arange(13)),
        lie("matrix/indices", np.full(counts().astype(bool).sum(), 7)),
        lie("matrix/barcodes", np.arange(12)),
        lie("matrix/features/name", np.array(["a"], dtype="S")),
        lie("matrix/features", np.arange(3)),
        lambda file: file.__delitem__("matrix/features/id"),
        lambda file: lie("matrix/features/id", h5py.SoftLink("/matrix/barcodes"))(file),
    ],
)
def test_damaged_and_hostile_files(change: object, tmp_path: Path) -> None:
    source = edited(write_h5(tmp_path / "a.h5"), change)  # type: ignore[arg-type]
    with pytest.raises(DatasetError):
        registered(source, tmp_path / "home")


def test_a_file_with_more_barcodes_than_it_holds(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        del file["matrix/barcodes"]
        file["matrix"].create_dataset("barcodes", (10**12,), "S18", chunks=(1000,))

    source = edited(write_h5(tmp_path / "a.h5"), change)
    with pytest.raises(DatasetError, match="declares"):
        registered(source, tmp_path / "home")


def test_a_matrix_is_found_by_what_it_holds(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("notes")
        group = file.create_group("my_matrix")
        write_csr(group, counts())
        write_texts(group, "genes", GENES)
    dataset = registered(tmp_path / "a.h5", tmp_path / "home")
    assert read(dataset)["rna"].var_names.tolist() == GENES


@pytest.mark.parametrize("folder", [False, True])
def test_doubtful_values_are_taken_as_they_are_where_that_is_asked(
    folder: bool, tmp_path: Path
) -> None:
    """The option that the next step names does it."""
    values = np.ones((12, 7), dtype=np.float32)
    path = (
        write_folder(tmp_path / "a", values)
        if folder
        else write_h5(tmp_path / "a.h5", None, values)
    )
    with pytest.raises(DatasetError, match="holds no raw counts: X holds 0 and 1 only") as failure:
        registered(path, tmp_path / "home")
    _, option, layer = shlex.split(
        str(failure.value.remedy).rpartition("take the values as they are")[2]
    )
    assert option == "--layer"
    dataset = registered(path, tmp_path / "home", layer=layer)
    assert (values_of(dataset)["rna"] == values).all()
    with pytest.raises(DatasetError, match=r"no layer 'raw\.X'") as failure:
        registered(path, tmp_path / "home", layer="raw.X")
    assert "(X can be named too)" in str(failure.value.remedy)


def test_types_that_tell_none(tmp_path: Path) -> None:
    source = write_h5(tmp_path / "a.h5", [f"chr{i}" for i in range(7)])
    dataset = registered(source, tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()).all()
    assert any("tells none" in note for note in dataset.record.notes)
    some = registered(source, tmp_path / "other", modality_names={"chr1": "rna"})
    assert (values_of(some)["rna"] == counts()[:, 1:2]).all(), "as named"


def test_the_next_step_names_the_type_of_most_features(tmp_path: Path) -> None:
    source = write_h5(tmp_path / "a.h5", ["odd", *["most of them"] * 6])
    with pytest.raises(DatasetError, match="None of the feature type names") as failure:
        registered(source, tmp_path / "home")
    assert "--modality 'most of them=rna'" in str(failure.value.remedy)


def test_the_matrix_of_another_sample_is_not_named(tmp_path: Path) -> None:
    source = tmp_path / "s1_molecule_info.h5"
    with h5py.File(source, "w") as file:
        molecule_info(file)
    for name in ("s2_filtered_feature_bc_matrix.h5", "other.h5ad"):
        write_h5(tmp_path / name)
    with pytest.raises(DatasetError) as failure:
        registered(source, tmp_path / "home")
    assert str(failure.value.remedy).startswith("Give the file with the matrix: of Cell Ranger")
    write_h5(tmp_path / "s1_filtered_feature_bc_matrix.h5")
    with pytest.raises(DatasetError) as failure:
        registered(source, tmp_path / "home")
    named = Path(shlex.split(str(failure.value.remedy))[-1])
    assert named.name == "s1_filtered_feature_bc_matrix.h5"
    assert (values_of(registered(named, tmp_path / "home"))["rna"] == counts()).all()
