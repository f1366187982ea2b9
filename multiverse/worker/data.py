"""Reading the input: only the modalities of the job, all with the same cells in one order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiverse.errors import DatasetError
from multiverse.worker.mosaic import check_mosaic, measured_cells, spread_rows

if TYPE_CHECKING:
    import h5py
    import numpy as np
    import pandas as pd
    from mudata import MuData
    from numpy.typing import NDArray

    from multiverse.contract import JobSpec


@dataclass(frozen=True)
class Input:
    """The dataset as a model gets it. ``batch`` is (n_cells,) strings or None.

    ``measured`` maps each modality to the cells that were measured in it, (n_cells,) booleans.
    """

    data: MuData
    batch: NDArray[np.str_] | None
    measured: Mapping[str, NDArray[np.bool_]]

    @property
    def cells(self) -> list[str]:
        """Return names of the cells, in the order that the embedding's rows must have."""
        return [str(name) for name in self.data.obs_names]


def read_input(path: Path, spec: JobSpec, *, mosaic: bool = False) -> Input:
    """Read the job's modalities; :class:`DatasetError` says what is wrong with the file.

    Every modality has its raw counts in ``X`` (CSR) and the cells of the global ``obs``, in
    its order. Modalities that the job doesn't name are never read from disk. In a mosaic the
    row of a cell that lacks the modality is empty, which ``measured`` tells from a measured cell
    without counts; without ``mosaic`` such cells raise :class:`NotApplicable`.
    """
    if not path.exists():
        raise DatasetError(f"the input {path} does not exist")
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _read(file, path, spec, mosaic=mosaic)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DatasetError(f"the input {path} can't be read as MuData: {error}") from error


def _read(file: h5py.File, path: Path, spec: JobSpec, *, mosaic: bool) -> Input:
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
    names = {name: read_elem(file["mod"][name]["obs"]).index for name in spec.modalities}
    measured = {name: measured_cells(own, obs.index, name) for name, own in names.items()}
    check_mosaic(measured, allowed=mosaic)
    parts = {
        name: _aligned(read_elem(file["mod"][name]), obs, mask) for name, mask in measured.items()
    }
    with warnings.catch_warnings():
        # MuData announces a change of its own defaults on every construction.
        warnings.simplefilter("ignore")
        data = MuData(parts)
    data.obs = obs.loc[:, [name for name in obs.columns if name != ""]]
    return Input(data=data, batch=_batch(obs, parts, spec.batch_key), measured=measured)


def _aligned(part: Any, obs: pd.DataFrame, measured: NDArray[np.bool_]) -> Any:
    """Return the modality with all cells in the global order, counts as CSR."""
    from anndata import AnnData
    from scipy.sparse import csr_matrix, isspmatrix_csr

    own = obs.index[measured]
    if not part.obs_names.equals(own):
        part = part[own].copy()
    if not isspmatrix_csr(part.X):
        part.X = csr_matrix(part.X)
    if measured.all():
        return part
    return AnnData(spread_rows(part.X, measured), obs=obs.copy(), var=part.var)


def _batch(obs: pd.DataFrame, parts: dict[str, Any], key: str | None) -> NDArray[np.str_] | None:
    if key is None:
        return None
    for table in (obs, *(part.obs for part in parts.values())):
        if key in table.columns:
            names: NDArray[np.str_] = table[key].astype(str).to_numpy(dtype=str)
            return names
    raise DatasetError(f"the input has no batch column {key!r}")
