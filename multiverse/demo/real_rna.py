"""Real RNA counts of 700 blood cells, recovered from data that scanpy packages.

Cells and labels: Zheng GXY et al., Massively parallel digital transcriptional profiling of single
cells, Nat Commun 2017. scanpy packages 765 genes of 700 of them as log1p of counts per 10,000,
with the total of each cell, so that the counts can be had back::

    counts = round(expm1(raw) * n_counts / 10,000)
"""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad
from scipy.sparse import csr_matrix

from multiverse.contract.files import written_aside
from multiverse.errors import UsageError

_PACKAGED = Path("datasets") / "10x_pbmc68k_reduced.h5ad"
_PER_CELL = 1e4


def write_pbmc68k(path: Path) -> Path:
    """Write 700 cells × 765 genes of raw counts as ``.h5ad``, with ``cell_type`` and ``cluster``.

    Raises :class:`UsageError` where scanpy is not installed. scanpy itself is not imported.
    """
    cells = pbmc68k()
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        cells.write_h5ad(aside, compression="gzip")
    return path


def pbmc68k() -> AnnData:
    """Return the same as an object: ``X`` (700, 765), CSR, float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the age of the packaged file's format
        packaged = read_h5ad(_find_packaged())
    logs = packaged.raw.X.toarray().astype(np.float64)
    totals = packaged.obs["n_counts"].to_numpy(dtype=np.float64)
    counts = np.round(np.expm1(logs) * totals[:, None] / _PER_CELL).astype(np.float32)
    obs = pd.DataFrame(
        {"cell_type": packaged.obs["bulk_labels"], "cluster": packaged.obs["louvain"]},
        index=pd.Index(packaged.obs_names, name=None),
    )
    names = pd.Index(packaged.raw.var_names, name=None)
    var = pd.DataFrame({"feature_types": "Gene Expression"}, index=names)
    return AnnData(X=csr_matrix(counts), obs=obs, var=var)


def _find_packaged() -> Path:
    spec = importlib.util.find_spec("scanpy")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    for folder in folders:
        if (Path(folder) / _PACKAGED).is_file():
            return Path(folder) / _PACKAGED
    missing = "is not installed" if spec is None else f"has no file {_PACKAGED}"
    raise UsageError(
        f"The demo's real cells come from data packaged with scanpy, which {missing}",
        remedy="Install it: pip install scanpy",
    )
