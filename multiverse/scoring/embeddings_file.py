"""``embeddings.h5ad``: every embedding of a dataset with its UMAP and the answer sheet."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.listing import FoundRun
from multiverse.runs.writing import disk_errors, sync
from multiverse.scoring.wanted import checksum_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Points = NDArray[np.float32]


def keys_of(runs: Sequence[FoundRun]) -> dict[str, str]:
    """Run id → key in ``obsm``: the model's name, with the run's id where it ran more than once.

    And where the name alone would read as the layout of another model (``umap_pca``).
    """
    models = [run.record.model for run in runs]
    return {
        run.record.run_id: run.record.model
        if models.count(run.record.model) == 1 and not run.record.model.startswith("umap_")
        else f"{run.record.model}_{run.record.run_id}"
        for run in runs
    }


def read_layouts(path: Path, runs: Sequence[FoundRun]) -> dict[str, Points]:
    """Run id → UMAP of an earlier file, of runs whose embedding is still the same.

    None where the file can't be read.
    """
    import h5py

    found: dict[str, Points] = {}
    sums = {run.record.run_id: checksum_of(run) for run in runs}
    try:
        with h5py.File(path, "r") as file:
            about = file["uns"]["multiverse"]
            for key, stored in about["keys"].items():
                run_id = stored[()].decode()
                name = f"X_umap_{key}"
                same = about["checksums"][key][()].decode() == sums.get(run_id)
                if same and name in file["obsm"]:
                    found[run_id] = file["obsm"][name][...]
    except (OSError, KeyError, AttributeError, ValueError):
        return {}
    return found


def write_embeddings(
    path: Path,
    dataset: RegisteredDataset,
    runs: Sequence[FoundRun],
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
    keys = keys_of([run for run in runs if embeddings[run.record.run_id] is not None])
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
            keys[run.record.run_id]: checksum_of(run) for run in runs if run.record.run_id in keys
        },
    }
    with (
        disk_errors(path.parent),
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as aside,
    ):
        made = Path(aside, path.name)
        with h5py.File(made, "w") as file:
            write_elem(file, "/", table, dataset_kwargs={"compression": "gzip"})
        sync(made)
        made.replace(path)
    return [run_id for run_id, points in embeddings.items() if points is None]


def _obs(dataset: RegisteredDataset) -> pd.DataFrame:
    """Everything that is known of the cells, and how deeply each modality was sequenced."""
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
    """Counts of each cell in a modality, (n_cells,); NaN for cells that were not measured in it."""
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


def _embedding(run: FoundRun, cells: pd.Index) -> Points | None:
    """The embedding in the order of the cells, by name; None if it isn't one of these cells."""
    import h5py
    import numpy as np
    import pandas as pd

    try:
        with h5py.File(run.folder / "embeddings.h5", "r") as file:
            latent = file["latent"][...].astype(np.float32)
            names = [name.decode() for name in file["obs_names"][...]]
    except (OSError, KeyError, ValueError, AttributeError):
        return None
    if len(names) != len(latent) or sorted(names) != sorted(cells):
        return None
    return np.asarray(latent[pd.Index(names).get_indexer(cells)])
