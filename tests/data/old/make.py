"""Write the files of this folder with an old anndata: PYTHON make.py FOLDER, in its environment.

0.6.22 (Python 3.8, numpy<1.20, pandas<1.1, h5py<3), 0.7.8 with mudata 0.1.2 (3.8), 0.8.0 with
mudata 0.2.3 and zarr 2 (3.8), 0.10.9 with mudata 0.2.4 and zarr 2 (3.10). The values are those
of ``test_old_files.py``.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

VERSION = anndata.__version__
FOLDER = Path(sys.argv[1])


def values(shift: int) -> np.ndarray:
    return np.arange(8 * 5).reshape(8, 5) % 4 + (np.arange(8) % 2 * shift)[:, None]


def obs() -> pd.DataFrame:
    table = pd.DataFrame(index=[f"cell{i}" for i in range(8)])
    table["donor"] = pd.Categorical(["d2", "d1"] * 4)
    table["cell_type"] = pd.Categorical(["B", "T", None, "B", "T", "T", "NK", "B"])
    table["stage"] = pd.Categorical(["low", "high"] * 4, ["low", "high"], ordered=True)
    table["depth"] = np.arange(8, dtype="int32")
    table["score"] = np.linspace(0, 1, 8)
    table["doublet"] = [False, True] * 4
    return table


def made(sparse: Callable[[np.ndarray], object], prefix: str, shift: int = 0) -> anndata.AnnData:
    counts = values(shift).astype("float32")
    var = pd.DataFrame(
        {"gene_ids": [f"E{i}" for i in range(5)]}, index=[f"{prefix}{i}" for i in range(5)]
    )
    return anndata.AnnData(sparse(counts), obs=obs(), var=var)


def with_raw() -> anndata.AnnData:
    data = made(sp.csr_matrix, "g")
    full = data.copy()
    data = data[:, :4].copy()
    data.X = np.log1p(data.X.toarray())
    data.raw = full
    data.layers["logs"] = data.X.copy()
    data.uns["colors"] = np.array(["#000000", "#ffffff"])
    data.obsm["X_pca"] = np.ones((8, 2))
    return data


def zipped(folder: Path) -> None:
    with zipfile.ZipFile(str(folder) + ".zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(str(path), str(path.relative_to(folder)))


def main() -> None:
    name = "anndata-" + VERSION
    for kind, sparse in (("csr", sp.csr_matrix), ("csc", sp.csc_matrix), ("dense", np.asarray)):
        made(sparse, "g").write_h5ad(FOLDER / f"{name}-{kind}.h5ad", compression="gzip")
    with_raw().write_h5ad(FOLDER / f"{name}-raw.h5ad", compression="gzip")
    try:
        import mudata
    except ImportError:
        return
    mudata.MuData({"rna": made(sp.csr_matrix, "g"), "adt": made(np.asarray, "p", 3)}).write_h5mu(
        str(FOLDER / f"{name}-two.h5mu")
    )
    try:
        import zarr  # noqa: F401
    except ImportError:
        return
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        store = Path(place) / "cells.zarr"
        with_raw().write_zarr(str(store))
        zipped(store)
        Path(str(store) + ".zip").rename(FOLDER / f"{name}-raw.zarr.zip")


main()
