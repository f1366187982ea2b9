"""Reading the input: only the modalities of the job, all with the same cells in one order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiverse.errors import DatasetError

if TYPE_CHECKING:
    import h5py
    import numpy as np
    import pandas as pd
    from mudata import MuData
    from numpy.typing import NDArray

    from multiverse.contract import JobSpec


@dataclass(frozen=True)
class Input:
    """The dataset as a model gets it. ``batch`` is (n_cells,) strings or None."""

    data: MuData
    batch: NDArray[np.str_] | None

    @property
    def cells(self) -> list[str]:
        """Names of the cells, in the order that the embedding's rows must have."""
        return [str(name) for name in self.data.obs_names]


def read_input(path: Path, spec: JobSpec) -> Input:
    """Read the job's modalities; :class:`DatasetError` says what is wrong with the file.

    Every modality has its raw counts in ``X`` (CSR) and the cells of the global ``obs``, in
    its order. Modalities that the job doesn't name are never read from disk.
    """
    if not path.exists():
        raise DatasetError(f"the input {path} does not exist")
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _read(file, path, spec)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DatasetError(f"the input {path} can't be read as MuData: {error}") from error


def _read(file: h5py.File, path: Path, spec: JobSpec) -> Input:
    import warnings

    from anndata.io import read_elem
    from mudata import MuData

    present = list(file["mod"])
    missing = [name for name in spec.modalities if name not in present]
    if missing:
        raise DatasetError(
            f"the input {path} has no modality {', '.join(missing)}, only {', '.join(present)}"
        )
    obs: pd.DataFrame = read_elem(file["obs"])
    parts = {name: _aligned(read_elem(file["mod"][name]), obs, name) for name in spec.modalities}
    with warnings.catch_warnings():
        # MuData announces a change of its own defaults on every construction.
        warnings.simplefilter("ignore")
        data = MuData(parts)
    data.obs = obs.loc[:, [name for name in obs.columns if name != ""]]
    return Input(data=data, batch=_batch(obs, parts, spec.batch_key))


def _aligned(part: Any, obs: pd.DataFrame, name: str) -> Any:
    """The modality with its cells in the global order, counts as CSR."""
    from scipy.sparse import csr_matrix, isspmatrix_csr

    if not part.obs_names.equals(obs.index):
        if len(part) != len(obs) or set(part.obs_names) != set(obs.index):
            raise DatasetError(f"modality {name} does not have the same cells as the dataset")
        part = part[obs.index].copy()
    if not isspmatrix_csr(part.X):
        part.X = csr_matrix(part.X)
    return part


def _batch(obs: pd.DataFrame, parts: dict[str, Any], key: str | None) -> NDArray[np.str_] | None:
    if key is None:
        return None
    for table in (obs, *(part.obs for part in parts.values())):
        if key in table.columns:
            names: NDArray[np.str_] = table[key].astype(str).to_numpy(dtype=str)
            return names
    raise DatasetError(f"the input has no batch column {key!r}")
