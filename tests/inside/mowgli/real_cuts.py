"""Small real data, prepared as mowgli wants it, and the library's class called directly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anndata import AnnData
from mowgli.models import MowgliModel
from mudata import MuData, read_h5mu
from numpy.typing import NDArray

from multiverse.worker.preprocess import (
    as_counts,
    clr_non_negative,
    log_normalise,
    seen_features,
    tfidf,
    variable_genes,
    variable_peaks,
)
from tests.conftest import shared_dataset

Matrix = NDArray[np.float32]
N_TOP = {"n_top_genes": 50, "n_top_peaks": 120}
#: Few and short: the machine has two cores.
SHORT: Mapping[str, Any] = {
    "latent_dimensions": 6,
    "max_iter": 2,
    "max_iter_inner": 25,
    "tol_outer": 1e-9,
}


@dataclass(frozen=True)
class Cut:
    """``data`` has raw counts; ``labels`` are (n_cells,) names of cell types."""

    data: MuData
    labels: NDArray[np.str_]

    def write(self, path: Path) -> Path:
        self.data.write_h5mu(path)
        return path


@cache
def real_cut(slug: str, n_cells: int = 90) -> Cut:
    """``n_cells`` random cells with the 600 features of each modality that have most counts.

    Cells of at least median depth in every modality: none is empty among so few features.
    """
    source = read_h5mu(shared_dataset(slug))
    deep = np.ones(source.n_obs, dtype=bool)
    for part in source.mod.values():
        depth = np.asarray(part.X.sum(axis=1)).ravel()
        deep &= depth >= np.median(depth)
    cells = np.random.default_rng(0).permutation(np.flatnonzero(deep))[:n_cells]
    parts: dict[str, AnnData] = {}
    for name, part in source.mod.items():
        totals = np.asarray(part.X.sum(axis=0)).ravel()
        features = np.sort(np.argsort(-totals, kind="stable")[:600])
        parts[name] = part[cells, features].copy()
    cut = MuData(parts)
    obs = parts["rna"].obs
    cut.obs = obs.copy()
    return Cut(cut, obs["cell_type"].astype(str).to_numpy(dtype=str))


def prepared(data: MuData) -> MuData:
    """What the library takes, made by hand from raw counts with the settings of ``N_TOP``."""
    parts: dict[str, AnnData] = {}
    for name, part in data.mod.items():
        counts = as_counts(part.X)
        counts = counts[:, seen_features(counts, 1 if name == "adt" else 3)]
        values: Any
        if name == "rna":
            values = log_normalise(counts)[:, variable_genes(counts, N_TOP["n_top_genes"])]
        elif name == "atac":
            values = tfidf(counts)[:, variable_peaks(counts, N_TOP["n_top_peaks"])]
        else:
            values = clr_non_negative(counts)
        dense = values if isinstance(values, np.ndarray) else values.toarray()
        assert (dense.sum(axis=1) > 0).all(), f"a cell is empty in {name}"
        parts[name] = AnnData(dense.astype(np.float32))
        parts[name].var["highly_variable"] = True
    return MuData(parts)


class WithLineSearch(MowgliModel):
    """The library's class, whole, with nothing changed but the evaluations of LBFGS."""

    def build_optimizer(self, params: Any, lr: float, optim_name: str) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(
            params, lr=lr, history_size=5, max_iter=1, max_eval=26, line_search_fn="strong_wolfe"
        )


def library_run(
    kind: type, data: MuData, *, seed: int, latent_dim: int = 6, **training: Any
) -> Any:
    """The library's class trained by its own ``train``; its ``W`` is factors × cells."""
    torch.manual_seed(seed)
    model = kind(latent_dim=latent_dim)
    model.train(data, **{"dtype": torch.float32, "tol_inner": 1e-5, **training})
    return model
