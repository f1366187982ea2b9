"""Files as Cell Ranger, STARsolo and their kin write them, small, for the tests of registration."""

from __future__ import annotations

import gzip
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from scipy.sparse import csr_matrix

from multiverse.errors import DatasetError
from multiverse.registry.datasets import RegisteredDataset
from multiverse.registry.registration import RegistrationOptions, register
from tests.unit.registry.registry_sources import counts, dense, read

BARCODES = [f"{'ACGT' * 3}{'ACGT'[i % 4]}{'ACGT'[i // 4]}AA-1" for i in range(12)]
GENES = [f"GENE{i}" for i in range(7)]
MULTIOME = ["Gene Expression"] * 4 + ["Peaks"] * 3
CITE = ["Gene Expression"] * 5 + ["Antibody Capture"] * 2


def write_h5(
    path: Path,
    kinds: Sequence[str] | None = None,
    values: np.ndarray | None = None,
    *,
    names: Sequence[str] = GENES,
    genome: str = "GRCh38",
) -> Path:
    """A file of Cell Ranger 3 and later; without ``kinds`` all are genes."""
    values = counts() if values is None else values
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        write_csr(group, values)
        features = group.create_group("features")
        write_texts(features, "id", [f"ID_{name}" for name in names])
        write_texts(features, "name", names)
        write_texts(features, "feature_type", kinds or ["Gene Expression"] * len(names))
        write_texts(features, "genome", [genome] * len(names))
        write_texts(features, "_all_tag_keys", ["genome"])
    return path


def write_old_h5(path: Path, *genomes: str) -> Path:
    """A file of Cell Ranger 2: a group a genome."""
    with h5py.File(path, "w") as file:
        for number, genome in enumerate(genomes):
            group = file.create_group(genome)
            write_csr(group, counts(seed=number))
            write_texts(group, "genes", [f"ID_{name}" for name in GENES])
            write_texts(group, "gene_names", GENES)
    return path


def write_csr(group: h5py.Group, values: np.ndarray) -> None:
    sparse = csr_matrix(values)
    whole = np.array_equal(values, values.astype(int))
    group["data"] = sparse.data.astype("i4" if whole else "f4")
    group["indices"], group["indptr"] = sparse.indices.astype("i8"), sparse.indptr.astype("i8")
    group["shape"] = np.array(values.shape[::-1], dtype="i4")
    write_texts(group, "barcodes", BARCODES[: len(values)])


def write_texts(group: h5py.Group, name: str, texts: Sequence[str]) -> None:
    group[name] = np.array(list(texts), dtype="S")


def write_folder(
    folder: Path,
    values: np.ndarray | None = None,
    *,
    prefix: str = "",
    kinds: Sequence[str] | None = None,
    packed: bool = True,
    matrix: str = "matrix.mtx",
    features: str = "features.tsv",
    barcodes: str = "barcodes.tsv",
    transposed: bool = False,
    columns: int = 3,
) -> Path:
    """A matrix folder; the path of the folder."""
    values = counts() if values is None else values
    folder.mkdir(exist_ok=True, parents=True)
    table = csr_matrix(values if transposed else values.T)
    whole = np.array_equal(values, values.astype(int))
    plain = folder / "plain"
    scipy.io.mmwrite(plain, table.astype(int if whole else float))
    text = (folder / "plain.mtx").read_bytes()
    (folder / "plain.mtx").unlink()
    kinds = kinds or ["Gene Expression"] * len(GENES)
    lines = [
        "\t".join((f"ID_{name}", name, kind)[:columns])
        for name, kind in zip(GENES, kinds, strict=True)
    ]
    put(folder / f"{prefix}{matrix}", text, packed=packed)
    put(folder / f"{prefix}{features}", "".join(f"{line}\n" for line in lines), packed=packed)
    put(folder / f"{prefix}{barcodes}", "".join(f"{name}\n" for name in BARCODES), packed=packed)
    return folder


def put(path: Path, content: str | bytes, *, packed: bool = False) -> Path:
    content = content.encode() if isinstance(content, str) else content
    if packed:
        path = path.with_name(f"{path.name}.gz")
        content = gzip.compress(content)
    path.write_bytes(content)
    return path


def registered(source: Path, home: Path, **options: Any) -> RegisteredDataset:
    return register(source, options=RegistrationOptions(**options), home=home)


def values_of(dataset: RegisteredDataset) -> dict[str, np.ndarray]:
    """Modality → counts of cells × features."""
    return {name: dense(part) for name, part in read(dataset).mod.items()}


def chosen(error: DatasetError, alternative: int = 0) -> dict[str, str]:
    """The ``--modality`` options of a next step, as the command line would have them."""
    words = shlex.split(str(error.remedy).split(" or --")[0] if not alternative else "")
    if alternative:
        words = shlex.split("--" + str(error.remedy).split(" or --")[alternative])
    options = [words[i + 1] for i, word in enumerate(words) if word == "--modality"]
    assert options, error.remedy
    return dict(option.rsplit("=", 1) for option in options)
