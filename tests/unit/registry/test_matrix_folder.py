"""Folders with matrix.mtx, barcodes.tsv and features.tsv, of many makers."""

from __future__ import annotations

import gzip
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multiverse.errors import DatasetError
from multiverse.registry.formats import matrix_market
from multiverse.specs.source_names import source_name
from tests.unit.registry.registry_sources import counts, read
from tests.unit.registry.tenx_sources import (
    BARCODES,
    CITE,
    GENES,
    put,
    registered,
    values_of,
    write_folder,
    write_h5,
)


def named(failure: pytest.ExceptionInfo[DatasetError]) -> Path:
    """The path that ends the next step."""
    return Path(shlex.split(str(failure.value.remedy))[-1])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"packed": False},
        {"features": "genes.tsv", "columns": 2, "packed": False},
        {"prefix": "GSM123_sample_"},
        {"prefix": "GSM123_sample."},
        {"transposed": True},
        {
            "matrix": "cells_x_genes.mtx",
            "barcodes": "cells_x_genes.barcodes.txt",
            "features": "cells_x_genes.genes.txt",
            "columns": 1,
            "transposed": True,
            "packed": False,
        },
    ],
    ids=["cell ranger", "unpacked", "genes.tsv", "geo", "geo dotted", "transposed", "kallisto"],
)
@pytest.mark.parametrize("chunk", [1_000_000, 7])
def test_folders_of_many_makers(
    settings: dict[str, Any], chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix_market, "CHUNK_ENTRIES", chunk)
    folder = write_folder(tmp_path / "filtered_feature_bc_matrix", **settings)
    (matrix,) = (path for path in folder.iterdir() if ".mtx" in path.name)
    for number, path in enumerate((folder, matrix)):
        dataset = registered(path, tmp_path / f"home{number}")
        after = read(dataset)
        assert (values_of(dataset)["rna"] == counts()).all()
        assert after.obs_names.tolist() == BARCODES
        if settings.get("columns") != 1:
            assert after["rna"].var_names.tolist() == GENES
            assert after["rna"].var["gene_ids"].tolist() == [f"ID_{name}" for name in GENES]


def test_kinds_of_features(tmp_path: Path) -> None:
    kinds = [*CITE[:4], "CRISPR Guide Capture", *CITE[5:]]
    dataset = registered(write_folder(tmp_path / "x", kinds=kinds), tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()[:, :4]).all()
    assert (values_of(dataset)["adt"] == counts()[:, 5:]).all()
    assert any("'CRISPR Guide Capture'" in note for note in dataset.record.notes)


def test_the_same_as_the_h5_of_the_same_run(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", kinds=CITE)
    file = write_h5(tmp_path / "a.h5", CITE)
    one, other = registered(folder, tmp_path / "home"), registered(file, tmp_path / "home2")
    assert one.record.modalities == other.record.modalities
    assert (values_of(one)["adt"] == values_of(other)["adt"]).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\n%a comment\n", 1),
        lambda text: text.replace(b" ", b"   "),
        lambda text: text.rstrip(b"\n"),
        lambda text: text + b"\n\n",
        lambda text: text.replace(b"integer", b"real"),
    ],
    ids=["crlf", "comment", "spaces", "no last newline", "empty lines", "real"],
)
def test_variants_of_the_text(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "x", packed=False)
    text = (folder / "matrix.mtx").read_bytes()
    header, *entries = (line for line in text.split(b"\n") if not line.startswith(b"%"))
    text = b"\n".join([b"%%MatrixMarket matrix coordinate integer general", b"%", header, *entries])
    (folder / "matrix.mtx").write_bytes(change(text))
    for name in ("barcodes.tsv", "features.tsv"):
        put(folder / name, (folder / name).read_bytes().replace(b"\n", b"\r\n"))
    assert (values_of(registered(folder, tmp_path / "home"))["rna"] == counts()).all()


def test_places_without_values_are_ones(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "x", packed=False)
    lines = (folder / "matrix.mtx").read_text().splitlines()
    lines[0] = lines[0].replace("integer", "pattern")
    sizes = next(i for i, line in enumerate(lines) if not line.startswith("%"))
    lines[sizes + 1 :] = [line.rpartition(" ")[0] for line in lines[sizes + 1 :]]
    (folder / "matrix.mtx").write_text("\n".join(lines))
    dataset = registered(folder, tmp_path / "home")
    assert (values_of(dataset)["rna"] == (counts() > 0)).all()
    assert "matrix.mtx has no values: each entry was taken as a count of 1" in dataset.record.notes


def test_starsolo_counts_are_preferred_to_its_estimates(tmp_path: Path) -> None:
    raw = tmp_path / "Solo.out" / "Gene" / "raw"
    write_folder(raw, counts() * 0.5, matrix="UniqueAndMult-EM.mtx", packed=False)
    write_folder(raw, packed=False)
    dataset = registered(raw, tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()).all()
    assert any("UniqueAndMult-EM.mtx" in note for note in dataset.record.notes)
    with pytest.raises(DatasetError, match="is not a whole number"):
        registered(raw / "UniqueAndMult-EM.mtx", tmp_path / "home")


def test_a_folder_above_names_what_is_below(tmp_path: Path) -> None:
    outs = tmp_path / "my sample" / "outs"
    write_folder(outs / "raw_feature_bc_matrix", counts(seed=3))
    write_folder(outs / "filtered_feature_bc_matrix")
    with pytest.raises(DatasetError, match="raw_feature_bc_matrix") as failure:
        registered(tmp_path / "my sample", tmp_path / "home")
    assert named(failure).name == "filtered_feature_bc_matrix"
    assert (values_of(registered(named(failure), tmp_path / "home"))["rna"] == counts()).all()


def test_many_samples_in_one_folder(tmp_path: Path) -> None:
    for number in range(3):
        write_folder(tmp_path / "GSE1", counts(seed=number), prefix=f"GSM{number}_it's_")
    with pytest.raises(DatasetError, match=r"holds 3 matrices: .*GSM0_it's_matrix") as failure:
        registered(tmp_path / "GSE1", tmp_path / "home")
    assert (values_of(registered(named(failure), tmp_path / "home"))["rna"] == counts()).all()


def test_one_list_of_features_for_a_series(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "GSE1", prefix="GSM1_")
    (folder / "GSM1_features.tsv.gz").rename(folder / "GSE1_features.tsv.gz")
    assert (values_of(registered(folder, tmp_path / "home"))["rna"] == counts()).all()


def test_a_list_that_is_missing_is_named_and_put_there(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "x", prefix="GSM1_")
    elsewhere = (folder / "GSM1_barcodes.tsv.gz").rename(tmp_path / "cells.tsv.gz")
    with pytest.raises(DatasetError, match="no list of its barcodes") as failure:
        registered(folder / "GSM1_matrix.mtx.gz", tmp_path / "home")
    elsewhere.rename(named(failure))
    assert (values_of(registered(folder, tmp_path / "home"))["rna"] == counts()).all()


def test_a_matrix_alone(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "x")
    alone = (folder / "matrix.mtx.gz").rename(tmp_path / "matrix.mtx.gz")
    with pytest.raises(DatasetError, match=r"no list of its barcodes beside it"):
        registered(alone, tmp_path / "home")


def test_a_list_with_a_heading(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "x", packed=False)
    path = folder / "barcodes.tsv"
    text = path.read_text()
    path.write_text(f"barcode\n{text}")
    with pytest.raises(DatasetError, match=r"barcodes\.tsv has 13") as failure:
        registered(folder, tmp_path / "home")
    assert "remove its first line" in str(failure.value.remedy)
    path.write_text(path.read_text().partition("\n")[2])
    assert (values_of(registered(folder, tmp_path / "home"))["rna"] == counts()).all()


def test_peaks_of_cell_ranger_atac(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "x", packed=False)
    (folder / "features.tsv").unlink()
    put(folder / "peaks.bed", "".join(f"chr1\t{i}00\t{i}50\n" for i in range(1, 8)))
    dataset = registered(folder, tmp_path / "home")
    assert (values_of(dataset)["atac"] == counts()).all()
    assert read(dataset)["atac"].var_names[0] == "chr1:100-150"


def test_antibodies_without_types(tmp_path: Path) -> None:
    """As CITE-seq-Count writes them: names with the sequences of their tags."""
    folder = write_folder(tmp_path / "umi_count")
    put(folder / "features.tsv", "".join(f"CD{i}-ACGTACGTACGT\n" for i in range(7)), packed=True)
    with pytest.raises(DatasetError, match="named as antibodies are") as failure:
        registered(folder, tmp_path / "home")
    assert "--modality X=adt" in str(failure.value.remedy)
    dataset = registered(folder, tmp_path / "home", modality_names={"X": "adt"})
    assert (values_of(dataset)["adt"] == counts()).all()


def test_links_of_the_user_are_followed_and_change_nothing(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "x")
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in folder.iterdir():
        (linked / path.name).symlink_to(path)
    one, other = registered(folder, tmp_path / "home"), registered(linked, tmp_path / "home2")
    assert one.record.source_sha256 == other.record.source_sha256


def test_the_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "x")
    before = registered(folder, tmp_path / "home").record.source_sha256
    assert registered(folder, tmp_path / "home2").record.source_sha256 == before
    put(folder / "barcodes.tsv", "".join(f"{name}x\n" for name in BARCODES), packed=True)
    assert registered(folder, tmp_path / "home3").record.source_sha256 != before


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/pbmc.h5ad", "pbmc"),
        ("GSE1/GSM1_sample_matrix.mtx.gz", "GSM1_sample"),
        ("run/filtered_feature_bc_matrix/matrix.mtx.gz", "filtered_feature_bc_matrix"),
        ("run/filtered_feature_bc_matrix", "filtered_feature_bc_matrix"),
        ("kb/cells_x_genes.mtx", "cells_x_genes"),
    ],
)
def test_names_of_sources(path: str, name: str) -> None:
    assert source_name(Path(path)) == name


def with_matrix(text: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "matrix.mtx").write_bytes(text)

    return change


BANNER = b"%%MatrixMarket matrix coordinate integer general\n"


def truncated(folder: Path) -> None:
    content = gzip.compress((folder / "matrix.mtx").read_bytes())
    (folder / "matrix.mtx").write_bytes(content[:-40])


def not_a_file(folder: Path) -> None:
    (folder / "barcodes.tsv").unlink()
    os.mkfifo(folder / "barcodes.tsv")


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated gzip": (truncated, "truncated or damaged"),
    "no banner": (with_matrix(b"7 12 1\n1 1 1\n"), "is not a Matrix Market file"),
    "no sizes": (with_matrix(BANNER), "ends before its sizes"),
    "sizes are text": (with_matrix(BANNER + b"a b c\n"), "not the sizes"),
    "huge sizes": (with_matrix(BANNER + b"7 2000000000 1\n1 1 1\n"), "matrix of 7 × 2,000,000,000"),
    "sizes overflow": (with_matrix(BANNER + b"7 99999999999999999999 1\n"), "not the sizes"),
    "more entries than places": (with_matrix(BANNER + b"7 12 85\n"), "declares 85 entries"),
    "fewer entries": (with_matrix(BANNER + b"7 12 3\n1 1 1\n"), "holds 1"),
    "more entries": (with_matrix(BANNER + b"7 12 1\n1 1 1\n1 2 1\n"), "holds more"),
    "zero as a place": (with_matrix(BANNER + b"7 12 1\n0 1 1\n"), "outside of 1 to 7"),
    "a place beyond": (with_matrix(BANNER + b"7 12 1\n1 13 1\n"), "outside of 1 to 12"),
    "a place overflows": (with_matrix(BANNER + b"7 12 1\n1 99999999999999999999 1\n"), "damaged"),
    "text for a value": (with_matrix(BANNER + b"7 12 1\n1 1 x\n"), "is damaged"),
    "four fields": (with_matrix(BANNER + b"7 12 1\n1 1 1 1\n"), "is damaged"),
    "two fields": (with_matrix(BANNER + b"7 12 1\n1 1\n"), "damaged"),
    "not a number": (with_matrix(BANNER + b"7 12 1\n1 1 nan\n"), "damaged"),
    "dense": (with_matrix(BANNER.replace(b"coordinate", b"array")), "not a sparse matrix"),
    "complex": (with_matrix(BANNER.replace(b"integer", b"complex")), "no counts"),
    "bytes": (with_matrix(BANNER + b"7 12 1\n1 \xff 1\n"), "damaged"),
    "empty matrix": (with_matrix(BANNER + b"7 12 0\n"), "no count at all"),
    "endless line": (with_matrix(BANNER + b"7 12 1\n" + b"1" * 200_000), "a line of more than"),
    "endless header": (with_matrix(BANNER + b"%\n" * 20_000), "ends before its sizes"),
    "a pipe": (not_a_file, "not a regular file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_and_hostile_folders(name: str, tmp_path: Path) -> None:
    change, said = HOSTILE[name]
    folder = write_folder(tmp_path / "x", packed=False)
    change(folder)
    with pytest.raises(DatasetError, match=said) as failure:
        registered(folder, tmp_path / "home")
    assert "\n" not in str(failure.value)
    assert not [path for path in (tmp_path / "home").rglob("*") if path.suffix in (".bin", ".h5")]


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "x")
    bomb = BANNER + b"7 12 1\n1 1 1\n" + b"\n" * (200 * 1024**2)
    put(folder / "matrix.mtx", bomb, packed=True)
    with pytest.raises(DatasetError, match="far more text"):
        registered(folder, tmp_path / "home")


def test_counts_too_large_are_not_rounded(tmp_path: Path) -> None:
    values = counts().astype(float)
    values[3, 2] = 2**24 + 1
    folder = write_folder(tmp_path / "x", values)
    with pytest.raises(DatasetError, match="more than float32"):
        registered(folder, tmp_path / "home")


def test_a_large_unsorted_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Feature by feature in chunks, as R and kallisto write it: put in the order of cells."""
    monkeypatch.setattr(matrix_market, "CHUNK_ENTRIES", 10)
    folder = write_folder(tmp_path / "x", packed=False)
    rows, columns = np.nonzero(counts().T)
    lines = [f"{r + 1} {c + 1} {int(counts()[c, r])}\n" for r, c in zip(rows, columns, strict=True)]
    np.random.default_rng(0).shuffle(lines)
    text = BANNER.decode() + f"7 12 {len(lines)}\n" + "".join(lines)
    (folder / "matrix.mtx").write_text(text)
    assert (values_of(registered(folder, tmp_path / "home"))["rna"] == counts()).all()


def with_lists(folder: Path, **lists: list[str]) -> Path:
    """A matrix folder with other lists of barcodes or features."""
    write_folder(folder, packed=False)
    for name, lines in lists.items():
        put(folder / f"{name}.tsv", "".join(f"{line}\n" for line in lines))
    return folder


@pytest.mark.parametrize(
    "third", [[f"chr{i}" for i in range(7)], [str(i) for i in range(7)], ["X", "1", "MT", *"1234"]]
)
def test_a_third_column_that_is_no_type(third: list[str], tmp_path: Path) -> None:
    lines = [f"ID_{name}\t{name}\t{one}" for name, one in zip(GENES, third, strict=True)]
    dataset = registered(with_lists(tmp_path / "x", features=lines), tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()).all()
    assert any("tells none" in note for note in dataset.record.notes)


def test_unknown_types_do_not_leave_out_most_features(tmp_path: Path) -> None:
    lines = [f"ID_{name}\t{name}\tbiotype {name}" for name in GENES]
    folder = with_lists(tmp_path / "x", features=lines)
    with pytest.raises(DatasetError, match="None of the feature type names") as failure:
        registered(folder, tmp_path / "home")
    assert "--modality X=rna" in str(failure.value.remedy)
    dataset = registered(folder, tmp_path / "home", modality_names={"X": "rna"})
    assert (values_of(dataset)["rna"] == counts()).all()


def test_a_list_of_chromosomes_starts_and_ends_is_one_of_peaks(tmp_path: Path) -> None:
    lines = [f"chr{i}\t{i}00\t{i}50" for i in range(1, 8)]
    dataset = registered(with_lists(tmp_path / "x", features=lines), tmp_path / "home")
    assert (values_of(dataset)["atac"] == counts()).all()
    assert read(dataset)["atac"].var_names[0] == "chr1:100-150"


@pytest.mark.parametrize(
    "lines",
    [
        ["\ufeff" + BARCODES[0], *BARCODES[1:]],
        [f'"{name}"' for name in BARCODES],
        [f"{i}\t{name}\tT" for i, name in enumerate(BARCODES)],
        [f'"{i}"\t"{name}"' for i, name in enumerate(BARCODES, 1)],
    ],
    ids=["byte order mark", "quoted", "numbered from 0", "numbered from 1, quoted"],
)
def test_lists_of_barcodes(lines: list[str], tmp_path: Path) -> None:
    dataset = registered(with_lists(tmp_path / "x", barcodes=lines), tmp_path / "home")
    assert read(dataset).obs_names.tolist() == BARCODES
    assert (values_of(dataset)["rna"] == counts()).all()
    said = "the first column of barcodes.tsv numbers the cells; the second names them"
    assert (said in dataset.record.notes) == ("\t" in lines[0])


def test_features_quoted_and_without_symbols(tmp_path: Path) -> None:
    lines = [f'"ID_{name}"\t"{name}"' for name in GENES]
    lines[2:4] = ['"ID_two"\t""', '"ID_three"\t']
    dataset = registered(with_lists(tmp_path / "x", features=lines), tmp_path / "home")
    expected = [*GENES[:2], "ID_two", "ID_three", *GENES[4:]]
    assert read(dataset)["rna"].var_names.tolist() == expected
