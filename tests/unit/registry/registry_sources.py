"""Source files for the tests of registration, and reading back what became of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mudata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData
from scipy.sparse import csr_matrix

from multiverse.registry.datasets import RegisteredDataset

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
LABELS = ("Secretzilla", "Hiddenocyte", "Privatoblast")


def shared(slug: str) -> Path:
    """A real dataset, or a skip."""
    path = SHARED / slug / f"{slug}.h5mu"
    if not path.is_file():
        pytest.skip(f"the real dataset {slug} is absent")
    return path


def counts(n_obs: int = 12, n_vars: int = 7, seed: int = 0) -> np.ndarray:
    """Counts with many zeros; every cell and feature has one."""
    values = np.random.default_rng(seed).poisson(0.8, (n_obs, n_vars)).astype(np.float32)
    values[np.arange(n_obs), np.arange(n_obs) % n_vars] += 1
    values[np.arange(n_vars) % n_obs, np.arange(n_vars)] += 1
    return values


def cells(n_obs: int = 12) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "donor": [f"donor{i % 2}" for i in range(n_obs)],
            "cell_type": [LABELS[i % 3] for i in range(n_obs)],
            "age": np.linspace(20, 70, n_obs),
        },
        index=[f"cell{i}" for i in range(n_obs)],
    )


def make_anndata(
    values: Any = None, *, prefix: str = "g", obs: pd.DataFrame | None = None
) -> AnnData:
    values = csr_matrix(counts()) if values is None else values
    obs = cells(values.shape[0]) if obs is None else obs
    return AnnData(
        X=values, obs=obs, var=pd.DataFrame(index=[f"{prefix}{i}" for i in range(values.shape[1])])
    )


def make_mudata(**modalities: AnnData) -> MuData:
    """By default RNA and proteins of the same 12 cells; shared columns in the global ``obs``."""
    if not modalities:
        bare = pd.DataFrame(index=cells().index)
        modalities = {
            "rna": make_anndata(obs=bare),
            "adt": make_anndata(csr_matrix(counts(12, 3, 1)), prefix="p", obs=bare),
        }
    with mudata.set_options(pull_on_update=False):
        data = MuData(modalities)
        if data.n_obs == 12:
            data.obs = cells().loc[data.obs_names]
    return data


def write(data: AnnData | MuData, path: Path, **settings: Any) -> Path:
    with warnings.catch_warnings(), mudata.set_options(pull_on_update=False):
        warnings.simplefilter("ignore")
        if isinstance(data, MuData):
            data.write_h5mu(path, **settings)
        else:
            data.write_h5ad(path, **settings)
    return path


def read(dataset: RegisteredDataset | Path) -> MuData:
    path = dataset if isinstance(dataset, Path) else dataset.data
    with warnings.catch_warnings(), mudata.set_options(pull_on_update=False):
        warnings.simplefilter("ignore")
        return mudata.read_h5mu(path)


def dense(data: AnnData) -> np.ndarray:
    values = data.X.toarray() if hasattr(data.X, "toarray") else data.X
    return np.asarray(values)


def edited(path: Path, change: Callable[[Any], None]) -> Path:
    """The file after ``change`` worked on it as an open HDF5 file."""
    import h5py

    with h5py.File(path, "r+") as file:
        change(file)
    return path
