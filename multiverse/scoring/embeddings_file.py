"""``embeddings.h5ad``: every embedding of a dataset with its UMAP, labels and batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from multiverse.contract.files import stream_aside
from multiverse.contract.folders import is_file
from multiverse.errors import ResultsError
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.embedding_keys import embedding_keys
from multiverse.runs.run import Run
from multiverse.runs.writing import disk_errors

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Points = NDArray[np.float32]


def layouts_that_hold(path: Path, runs: Sequence[Run]) -> dict[str, Points]:
    """Run id → UMAP of an earlier file, of runs whose embedding is still the same.

    Nothing where there is no such file, or one that can't be read: it is made anew.
    """
    from multiverse.runs.layouts import read_layouts

    if not is_file(path):
        return {}
    try:
        found = read_layouts(path)
    except ResultsError:
        return {}
    sums = {run.record.run_id: run.record.embedding_checksum for run in runs}
    return {
        run_id: points.astype("float32")
        for run_id, points in found.umaps.items()
        if run_id in sums and found.checksums.get(run_id) == sums[run_id]
    }


def write_embeddings(
    path: Path,
    dataset: RegisteredDataset,
    runs: Sequence[Run],
    layouts: Mapping[str, Points | None],
) -> list[str]:
    """Write the file aside and put it in place; ``runs`` have been checked to be whole.

    A layout that is None is NaN in the file: the run has none. Returns the ids of runs that are
    left out, because they have no row for each of the cells.
    """
    import h5py
    import numpy as np
    from anndata import AnnData
    from anndata.io import write_elem

    obs = _obs(dataset)
    table = AnnData(obs=obs)
    embeddings = {run.record.run_id: _embedding(run, obs.index) for run in runs}
    keys = embedding_keys(run.record for run in runs if embeddings[run.record.run_id] is not None)
    for run_id, key in keys.items():
        table.obsm[f"X_{key}"] = embeddings[run_id]
        if run_id in layouts:
            places = layouts[run_id]
            missing = np.full((len(obs), 2), np.nan)
            laid = missing if places is None else places
            table.obsm[f"X_umap_{key}"] = np.asarray(laid, dtype=np.float32)
    record = dataset.record
    table.uns["multiverse"] = {
        "dataset": record.slug,
        "dataset_fingerprint": record.fingerprint,
        "label_key": record.label_key or "",
        "batch_key": record.batch_key or "",
        "keys": {key: run_id for run_id, key in keys.items()},
        "checksums": {
            keys[run.record.run_id]: run.record.embedding_checksum
            for run in runs
            if run.record.run_id in keys
        },
    }
    with (
        disk_errors(path.parent),
        stream_aside(path) as aside,
        h5py.File(aside, "w") as file,
    ):
        write_elem(file, "/", table, dataset_kwargs={"compression": "gzip"})
    return [run_id for run_id, points in embeddings.items() if points is None]


def _obs(dataset: RegisteredDataset) -> pd.DataFrame:
    """Return all that is known of the cells, and how deeply each modality was sequenced."""
    import h5py
    from anndata.io import read_elem

    with h5py.File(dataset.data, "r") as file:
        seen: pd.DataFrame = read_elem(file["obs"])
        obs = seen.loc[:, [name for name in seen.columns if name]]
        depths = {f"{name}_depth": _depth(file["mod"][name], obs.index) for name in file["mod"]}
    obs.index = obs.index.astype(str)
    if dataset.labels.is_file():
        with h5py.File(dataset.labels, "r") as file:
            labels = read_elem(file["obs"])
        labels.index = labels.index.astype(str)
        new = [name for name in labels.columns if name not in obs.columns]
        obs = obs.join(labels.loc[:, new])
    for name, depth in depths.items():
        if name not in obs.columns:
            obs[name] = depth
    return obs


def _depth(modality: object, cells: pd.Index) -> NDArray[np.float32]:
    """Return counts of each cell in a modality, (n_cells,); NaN for cells not measured in it."""
    import numpy as np
    import pandas as pd
    from anndata.io import read_elem

    matrix = modality["X"]  # type: ignore[index]
    ends = matrix["indptr"][...]
    sums = np.zeros(len(ends) - 1)
    step = 4096  # cells at a time
    for first in range(0, len(sums), step):
        last = min(first + step, len(sums))
        values = matrix["data"][ends[first] : ends[last]].astype(np.float64)
        running = np.concatenate([[0.0], np.cumsum(values)])
        places = ends[first : last + 1] - ends[first]
        sums[first:last] = running[places[1:]] - running[places[:-1]]
    own = read_elem(modality["obs"]).index  # type: ignore[index]
    return pd.Series(sums, index=own).reindex(cells).to_numpy(dtype=np.float32)


def _embedding(run: Run, cells: pd.Index) -> Points | None:
    """Return the embedding in the order of the cells, by name; None if it isn't one of them."""
    import numpy as np
    import pandas as pd

    try:
        latent, names = run.embedding().astype(np.float32), run.obs_names()
    except ResultsError:
        return None
    if len(names) != len(latent) or sorted(names) != sorted(cells):
        return None
    return np.asarray(latent[pd.Index(names).get_indexer(cells)])
