"""Makes the files that pages name, small, as the programs that they name write them."""

from __future__ import annotations

import gzip
import io
import tarfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile, copytree

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad
from mudata import MuData, read_h5mu
from scipy.io import mmwrite
from scipy.sparse import csc_matrix, csr_matrix

from multiverse.demo import make_demo
from tests.conftest import REPOSITORY
from tests.unit.registry.registry_sources import make_mudata, write

N_CELLS, N_GENES, N_PROTEINS = 40, 12, 5
RNA, BOTH = {"rna": N_GENES}, {"rna": N_GENES, "adt": N_PROTEINS}


@dataclass(frozen=True)
class Registered:
    """What a command has to register: cells, and features by modality."""

    n_obs: int = N_CELLS
    features: Mapping[str, int] = field(default_factory=lambda: dict(RNA))


@dataclass(frozen=True)
class Section:
    """A section of the page: who makes its files, and what becomes of each by its slug."""

    make: Callable[[Path], None]
    registered: Mapping[str, Registered] = field(default_factory=dict)

    @property
    def has_blocks(self) -> bool:
        return self.make is not nothing


def counts(n_vars: int = N_GENES, seed: int = 0) -> csr_matrix:
    values = np.random.default_rng(seed).negative_binomial(1, 0.3, (N_CELLS, n_vars))
    values[:, 0] += 1
    return csr_matrix(values.astype(np.float32))


def cells() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "donor": [f"d{number % 2}" for number in range(N_CELLS)],
            "batch": [f"b{number % 2}" for number in range(N_CELLS)],
            "cell_type": [("B", "T")[number // 2 % 2] for number in range(N_CELLS)],
        },
        index=barcodes(),
    )


def barcodes() -> list[str]:
    bases = "ACGT"
    return ["".join(bases[n // 4**k % 4] for k in range(16)) + "-1" for n in range(N_CELLS)]


def genes(prefix: str = "GENE", number: int = N_GENES) -> list[str]:
    return [f"{prefix}{index}" for index in range(number)]


def rna() -> AnnData:
    return AnnData(counts(), obs=cells(), var=pd.DataFrame(index=genes()))


def adt() -> AnnData:
    var = pd.DataFrame(index=genes("CD", N_PROTEINS))
    return AnnData(counts(N_PROTEINS, 1), obs=cells(), var=var)


def joint(second: str = "adt", n_adt: int = N_CELLS) -> MuData:
    bare = pd.DataFrame(index=cells().index)
    parts = {"rna": rna(), second: adt()[:n_adt].copy()}
    for part in parts.values():
        part.obs = bare.loc[part.obs_names]
    data = make_mudata(**parts)
    data.obs = cells().loc[data.obs_names]
    return data


def anndata_and_mudata(folder: Path) -> None:
    write(rna(), folder / "cells.h5ad")
    write(joint("surface"), folder / "study.h5mu")


def counts_in_a_layer(folder: Path) -> None:
    data = rna()
    data.layers["umis"] = data.X.copy()
    data.X = np.log1p(data.X.toarray())
    write(data, folder / "scaled.h5ad")


FEATURES = [
    *((f"ENSG{index:011}", name, "Gene Expression") for index, name in enumerate(genes())),
    *((name, name, "Antibody Capture") for name in genes("CD", N_PROTEINS)),
]


def matrix_folder(folder: Path, prefix: str = "", *, packed: bool = True) -> None:
    """Features × cells, as Cell Ranger (packed) and STARsolo (not packed) write them."""
    folder.mkdir(parents=True, exist_ok=True)
    market = io.BytesIO()
    both = np.vstack([counts().T.toarray(), counts(N_PROTEINS, 1).T.toarray()]).astype(int)
    mmwrite(market, csc_matrix(both), field="integer")
    features = "".join("\t".join(row) + "\n" for row in FEATURES)
    content = {
        "matrix.mtx": market.getvalue(),
        "barcodes.tsv": "".join(f"{name}\n" for name in barcodes()).encode(),
        "features.tsv": features.encode(),
    }
    for name, data in content.items():
        path = folder / f"{prefix}{name}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data) if packed else data)


def matrix_file(path: Path) -> None:
    """The layout of Cell Ranger 3 and later."""
    both = csc_matrix(np.hstack([counts().toarray(), counts(N_PROTEINS, 1).toarray()]).T)
    with h5py.File(path, "w") as file:
        matrix = file.create_group("matrix")
        matrix["barcodes"] = np.array(barcodes(), dtype="S")
        matrix["data"] = both.data.astype(np.int32)
        matrix["indices"] = both.indices.astype(np.int64)
        matrix["indptr"] = both.indptr.astype(np.int64)
        matrix["shape"] = np.array(both.shape, dtype=np.int32)
        features = matrix.create_group("features")
        for name, column in (("id", 0), ("name", 1), ("feature_type", 2)):
            features[name] = np.array([row[column] for row in FEATURES], dtype="S")
        features["genome"] = np.array(["GRCh38"] * len(FEATURES), dtype="S")


def cell_ranger(folder: Path) -> None:
    matrix_folder(folder / "filtered_feature_bc_matrix")
    matrix_file(folder / "filtered_feature_bc_matrix.h5")


def cellbender_and_starsolo(folder: Path) -> None:
    matrix_folder(folder / "Solo.out" / "Gene" / "filtered", packed=False)
    matrix_file(folder / "cellbender_filtered.h5")
    with h5py.File(folder / "cellbender_filtered.h5", "r+") as file:
        file["droplet_latents/cell_probability"] = np.ones(N_CELLS)
        file["global_latents/ambient_expression"] = np.full(N_GENES + N_PROTEINS, 0.01)
        file["metadata/fraction_data_used_for_testing"] = 0.1


def geo(folder: Path) -> None:
    matrix_folder(folder / "raw", "GSM1_sample_")
    with tarfile.open(folder / "GSE100_RAW.tar", "w") as archive:
        for path in sorted((folder / "raw").iterdir()):
            archive.add(path, path.name)


def scvi_tools(folder: Path) -> None:
    data = rna()
    data.obsm["protein_expression"] = pd.DataFrame(
        adt().X.toarray(), index=data.obs_names, columns=genes("CD", N_PROTEINS)
    )
    write(data, folder / "totalvi.h5ad")


def zarr_stores(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr, about the version of its format
        rna().write_zarr(folder / "cells.zarr")
        joint().write_zarr(folder / "study.zarr")


def one_file_a_modality(folder: Path) -> None:
    write(rna(), folder / "genes.h5ad")
    write(adt(), folder / "proteins.h5ad")


def barcodes_that_differ(folder: Path) -> None:
    write(rna(), folder / "genes.h5ad")
    proteins = adt()
    proteins.obs_names = [name.removesuffix("-1") for name in proteins.obs_names]
    write(proteins, folder / "bare.h5ad")


def parts_of_a_file(folder: Path) -> None:
    data = joint()
    names = [*genes("CD", N_PROTEINS - 2), "HTO1", "HTO2"]
    data.mod["adt"].var_names = names
    data.update()
    write(data, folder / "parts.h5mu")
    layers = joint()
    for name, layer in (("rna", "counts_RNA"), ("adt", "counts_ADT")):
        part = layers.mod[name]
        part.layers[layer] = part.X.copy()
        part.X = np.log1p(part.X.toarray())
    write(layers, folder / "layers.h5mu")


def after_ambient_correction(folder: Path) -> None:
    data = rna()
    data.X = csr_matrix(data.X.toarray() * 0.97)
    write(data, folder / "soupx.h5ad")


def nothing(_: Path) -> None:
    pass


def mosaic(folder: Path) -> None:
    write(joint(n_adt=25), folder / "mosaic.h5mu")


def in_memory(folder: Path) -> None:
    write(rna(), folder / "cells.h5ad")


def simulation(folder: Path) -> None:
    make_demo(folder / "demo-data")


def normalised_and_mosaic(folder: Path) -> None:
    """Real cells with values per 10,000 in ``X``, and simulated ones of which half lack ADT."""
    cells = read_h5ad(folder / "demo-data" / "pbmc68k.h5ad")
    cells.layers["umi"] = cells.X.copy()
    totals = np.asarray(cells.X.sum(axis=1))
    cells.X = csr_matrix(np.log1p(cells.X.toarray() / totals * 1e4))
    cells.write_h5ad(folder / "normalised.h5ad")
    data = read_h5mu(folder / "demo-data" / "simulated.h5mu")
    parts = {"rna": data["rna"].copy(), "adt": data["adt"][: data.n_obs // 2].copy()}
    write(make_mudata(**parts), folder / "mosaic.h5mu")


def own_file(folder: Path) -> None:
    copyfile(folder / "demo-data" / "simulated.h5mu", folder / "pbmc.h5mu")


def link_repository(folder: Path) -> None:
    """Make a folder a clone as far as ``make`` is concerned."""
    for name in (".venv", "Makefile", "pyproject.toml", "requirements", "scripts"):
        (folder / name).symlink_to(REPOSITORY / name)


def before_and_after(folder: Path) -> None:
    for name in ("before", "after"):
        copytree(folder / "results", folder / name)


def mistakes_and_mosaic(folder: Path) -> None:
    normalised_and_mosaic(folder)
    (folder / "bad.yaml").write_text(
        "datasets: [simulated, nothere]\n"
        "models:\n"
        "  - model: mofaa\n"
        "  - model: pca\n"
        "    parameters:\n"
        "      - {n_components: many}\n"
        "      - {n_component: 5}\n"
    )


#: Of the page "Your data": heading → what its files are, and what its commands register.
SECTIONS: dict[str, Section] = {
    "Look first": Section(simulation),
    "AnnData and MuData": Section(
        anndata_and_mudata, {"cells": Registered(), "study": Registered(features=BOTH)}
    ),
    "Counts in a layer": Section(counts_in_a_layer, {"scaled": Registered()}),
    "Cell Ranger": Section(
        cell_ranger,
        {"from-file": Registered(features=BOTH), "from-folder": Registered(features=BOTH)},
    ),
    "CellBender and STARsolo": Section(
        cellbender_and_starsolo,
        {"cellbender": Registered(features=BOTH), "star": Registered(features=BOTH)},
    ),
    "A download from GEO": Section(geo, {"gsm1": Registered(features=BOTH)}),
    "scvi-tools": Section(scvi_tools, {"totalvi": Registered(features=BOTH)}),
    "One file a modality": Section(
        one_file_a_modality,
        {"two-files": Registered(features=BOTH), "genes-proteins": Registered(features=BOTH)},
    ),
    "Barcodes that differ": Section(barcodes_that_differ, {"matched": Registered(features=BOTH)}),
    "Parts of a file": Section(
        parts_of_a_file,
        {
            "only-rna": Registered(),
            "no-hashtags": Registered(features={"rna": N_GENES, "adt": N_PROTEINS - 2}),
            "layers": Registered(features=BOTH),
        },
    ),
    "Counts after ambient correction": Section(after_ambient_correction, {"soupx": Registered()}),
    "Zarr stores": Section(
        zarr_stores, {"cells-zarr": Registered(), "study-zarr": Registered(features=BOTH)}
    ),
    "Seurat and SingleCellExperiment": Section(nothing),
    "Objects in a notebook": Section(in_memory, {"pbmc": Registered()}),
    "Cells that lack a modality": Section(
        mosaic, {"complete": Registered(25, BOTH), "all-cells": Registered(features=BOTH)}
    ),
}
#: Of other pages: page → heading → what makes the files that its blocks need beside the demo's.
FILES: dict[str, dict[str, Callable[[Path], None]]] = {
    "README.md": {"Your own data": own_file, "Scores": before_and_after},
    "docs/benchmark-file.md": {"The benchmark file": mistakes_and_mosaic},
    "docs/quickstart.md": {"2. Tell it how to read your file": normalised_and_mosaic},
}
