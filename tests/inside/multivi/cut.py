"""A small piece of a real dataset, for the models of scvi-tools."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mudata import MuData, read_h5mu

from tests.conftest import shared_dataset


def cut_real(slug: str, folder: Path, n_cells: int, features: Mapping[str, int]) -> Path:
    """Random cells of a dataset with the features seen in most of them, written to ``folder``.

    Every feature that is left is seen in at least 1 % of the cells, so that no filter with its
    default drops any.
    """
    data = read_h5mu(shared_dataset(slug))
    cells = np.sort(np.random.default_rng(0).choice(data.n_obs, n_cells, replace=False))
    parts = {}
    for name, n_features in features.items():
        part = data[name][data.obs_names[cells]]
        seen = np.asarray((part.X > 0).sum(axis=0)).ravel()
        often = np.sort(np.argsort(-seen, kind="stable")[:n_features])
        assert seen[often].min() >= 0.01 * n_cells
        parts[name] = part[:, often].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = MuData(parts)
    small.obs = data.obs.iloc[cells].copy()
    path = folder / f"{slug}.h5mu"
    small.write_h5mu(path)
    return path
