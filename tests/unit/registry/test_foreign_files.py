"""Files of other programs: named by what they are, with a next step that works."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from multiverse.errors import DatasetError
from multiverse.registry.source import check_source
from multiverse.specs.benchmark import DatasetEntry
from tests.unit.registry.registry_sources import counts, make_anndata, read, write
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


def refused(path: Path) -> DatasetError:
    with pytest.raises(DatasetError) as failure:
        registered(path, path.parent / "home")
    assert "\n" not in str(failure.value)
    assert failure.value.remedy
    return failure.value


def follow(command: str, folder: Path) -> None:
    """Run a command as it stands in a next step, with this environment's Python."""
    command = re.sub(r"\bpython (-[cm]) ", f"{shlex.quote(sys.executable)} \\1 ", command)
    subprocess.run(["/bin/sh", "-c", command], check=True, cwd=folder)


def table(*, cells_as_rows: bool) -> pd.DataFrame:
    found = pd.DataFrame(counts().astype(int), index=BARCODES, columns=GENES)
    return found if cells_as_rows else found.T


@pytest.mark.parametrize("cells_as_rows", [True, False])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "it's a b.tsv", "a.txt.gz"])
def test_tables_of_text(name: str, cells_as_rows: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    table(cells_as_rows=cells_as_rows).to_csv(path, sep="," if "csv" in name else "\t")
    error = refused(path)
    assert "is a table of text" in str(error)
    remedy = str(error.remedy)
    follow(remedy[remedy.index("python -c") :], tmp_path)
    dataset = registered(tmp_path / f"{name.split('.')[0]}.h5ad", tmp_path / "home")
    after = read(dataset)
    assert (values_of(dataset)["rna"] == counts()).all()
    assert after.obs_names.tolist() == BARCODES
    assert after["rna"].var_names.tolist() == GENES


R_CONTENT = b"X\n\x00\x00\x00\x03\x00\x04\x02\x02" + b"\0" * 40


FILES_OF_R = {
    "gzip": ("pbmc.rds", gzip.compress(R_CONTENT)),
    "bzip2": ("pbmc.rds", bz2.compress(R_CONTENT)),
    "xz": ("pbmc.RDS", lzma.compress(R_CONTENT)),
    "plain": ("pbmc.rds", R_CONTENT),
    "renamed": ("renamed.h5ad", gzip.compress(R_CONTENT)),
    "RData": ("pbmc.RData", gzip.compress(b"RDX3\nX\n" + b"\0" * 40)),
    "rda": ("pbmc.rda", bz2.compress(b"RDX2\nX\n" + b"\0" * 40)),
}


@pytest.mark.parametrize("kind", FILES_OF_R)
def test_files_of_r(kind: str, tmp_path: Path) -> None:
    name, content = FILES_OF_R[kind]
    path = tmp_path / "my 'data'"
    path.mkdir()
    path = put(path / name, content)
    error = refused(path)
    assert "which only R reads" in str(error)
    command = str(error.remedy).partition("Rscript -e ")[2]
    (program,) = shlex.split(command)
    read_by = "readRDS" if "RD" not in name.replace("RDS", "") and "rda" not in name else "load"
    for part in (f'{read_by}("{path}")', "anndataR::write_h5ad(", "JoinLayers", "altExp"):
        assert part in program
    assert "zellkonverter" in str(error.remedy)


def test_a_named_file_of_r_that_is_none(tmp_path: Path) -> None:
    error = refused(put(tmp_path / "pbmc.rds", b"nothing that R wrote"))
    assert "named as a file of R, but is none" in str(error)


def loom(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["matrix"] = counts().T
        for group in ("layers", "row_graphs", "col_graphs"):
            file.create_group(group)
        file.create_group("row_attrs")["gene_names"] = np.array(GENES, dtype="S")
        file.create_group("col_attrs")["CellID"] = np.array(BARCODES, dtype="S")
    return path


def test_loom(tmp_path: Path) -> None:
    error = refused(loom(tmp_path / "a.loom"))
    assert "is a loom file" in str(error)
    (program,) = shlex.split(str(error.remedy).partition("python -c ")[2])
    for part in ('obs_names="CellID"', 'var_names="gene_names"', f'"{tmp_path}/a.h5ad"'):
        assert part in program


def test_h5seurat(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5seurat", "w") as file:
        file.create_group("assays/RNA")
        file["cell.names"] = np.array(BARCODES, dtype="S")
    error = refused(tmp_path / "a.h5seurat")
    assert "is an h5Seurat file" in str(error)
    assert "SeuratDisk::LoadH5Seurat" in str(error.remedy)


def test_hdf5_of_something_else(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["weights"] = np.ones(3)
    assert "it holds weights" in str(refused(tmp_path / "a.h5"))


@pytest.mark.parametrize("name", ["a.h5ad.gz", "a.h5mu.gz", "a.gz"])
def test_hdf5_within_gzip(name: str, tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "x.h5ad")
    packed = put(tmp_path / name, gzip.compress(source.read_bytes()))
    error = refused(packed)
    follow(str(error.remedy).partition(": ")[2].partition(", and take ")[0], tmp_path)
    dataset = registered(tmp_path / name.removesuffix(".gz"), tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()).all()


@pytest.mark.parametrize("kind", ["GSE1_RAW.tar", "data.tar.gz", "data.tgz", "data.zip"])
@pytest.mark.parametrize("inside", ["folder", "h5"])
def test_archives(kind: str, inside: str, tmp_path: Path) -> None:
    place = tmp_path / "of it's maker"
    place.mkdir()
    packed = place / kind
    content = tmp_path / "content"
    if inside == "folder":
        write_folder(content, prefix="GSM1_", kinds=CITE)
        write_folder(content, counts(seed=3), prefix="GSM2_", kinds=CITE)
    else:
        content.mkdir()
        write_h5(content / "GSM1_filtered_feature_bc_matrix.h5", CITE)
        write_h5(content / "GSM1_raw_feature_bc_matrix.h5", CITE, counts(seed=3))
    files = sorted(content.iterdir())
    if kind == "data.zip":
        with zipfile.ZipFile(packed, "w") as archive:
            for path in files:
                archive.write(path, path.name)
    else:
        with tarfile.open(packed, "w:gz" if "gz" in kind else "w") as tar:
            for path in files:
                tar.add(path, path.name)
    error = refused(packed)
    assert "GSM1_" in str(error)
    command, _, then = str(error.remedy).partition("first: ")[2].partition(", then give ")
    follow(command, tmp_path)
    (unpacked,) = shlex.split(then)
    dataset = registered(Path(unpacked), tmp_path / "home")
    assert (values_of(dataset)["adt"] == counts()[:, 5:]).all()


def test_hostile_names_in_an_archive_are_not_offered(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("../../etc/matrix.mtx", "/etc/x.h5ad", "a\x1b[31m.h5ad", "$(touch x).h5ad"):
            tar.addfile(tarfile.TarInfo(name))
    error = refused(tmp_path / "a.tar")
    text = f"{error} {error.remedy}"
    assert "etc" not in text
    assert "\x1b" not in text
    assert shlex.split(str(error.remedy))[-1].endswith("$(touch x).h5ad")


@pytest.mark.parametrize("name", ["fragments.tsv.gz", "atac_fragments.tsv.gz"])
def test_fragments(name: str, tmp_path: Path) -> None:
    path = put(tmp_path / name, gzip.compress(b"chr1\t1\t2\tAAA-1\t1\n"))
    write_h5(tmp_path / "filtered_feature_bc_matrix.h5", ["Peaks"] * 7)
    error = refused(path)
    assert "list of ATAC fragments" in str(error)
    dataset = registered(Path(shlex.split(str(error.remedy))[-1]), tmp_path / "home")
    assert (values_of(dataset)["atac"] == counts()).all()


def test_zstd(tmp_path: Path) -> None:
    error = refused(put(tmp_path / "a.h5ad.zst", b"\x28\xb5\x2f\xfd" + b"\0" * 20))
    assert f"zstd -dc {tmp_path}/a.h5ad.zst > {tmp_path}/a.h5ad" in str(error.remedy)


@pytest.mark.parametrize("name", ["a", "a.bin", "a.parquet"])
def test_unknown_files(name: str, tmp_path: Path) -> None:
    assert "neither an .h5ad nor an .h5mu" in str(refused(put(tmp_path / name, b"x\0y")))


@pytest.mark.parametrize("name", ["a.h5ad", "a.h5mu", "a.h5", "a.loom"])
def test_files_that_should_be_hdf5(name: str, tmp_path: Path) -> None:
    said = "is not an HDF5 file, or is damaged"
    assert said in str(refused(put(tmp_path / name, b"nothing of the kind")))


def test_an_empty_folder_and_others(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "which is empty" in str(refused(tmp_path / "empty"))
    write(make_anndata(), tmp_path / "empty" / "my file.h5ad")
    error = refused(tmp_path / "empty")
    assert "which holds my file.h5ad" in str(error)
    check_source(Path(shlex.split(str(error.remedy))[-1]))


@pytest.mark.parametrize(
    "text", ["a.h5", "a.H5", "matrix.mtx.gz", "x.rds", "x.loom", "x.csv.gz", "./folder"]
)
def test_names_of_files_are_no_slugs(text: str) -> None:
    assert not DatasetEntry.is_slug(text)


@pytest.mark.parametrize("cells_as_rows", [True, False])
@pytest.mark.parametrize("head", ["", " ", '"" '], ids=["one field fewer", "empty", "quoted"])
@pytest.mark.parametrize("separator", [" ", "\t"], ids=["spaces", "tabs"])
def test_tables_as_r_writes_them(
    separator: str, head: str, cells_as_rows: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    values = table(cells_as_rows=cells_as_rows)
    heading = head.replace(" ", separator) + separator.join(f'"{name}"' for name in values)
    lines = [
        f'"{name}"{separator}{separator.join(map(str, row))}' for name, *row in values.itertuples()
    ]
    path.write_text("\n".join([heading, *lines, ""]))
    remedy = str(refused(path).remedy)
    follow(remedy[remedy.index("python -c") :], tmp_path)
    dataset = registered(tmp_path / "a.h5ad", tmp_path / "home")
    assert (values_of(dataset)["rna"] == counts()).all()
    assert read(dataset).obs_names.tolist() == BARCODES
    assert read(dataset)["rna"].var_names.tolist() == GENES
