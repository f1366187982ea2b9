"""Registered datasets and published runs, small, by the classes that make the real ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from mudata import MuData
from numpy.typing import NDArray

from multiverse.demo.simulation import Simulation, simulate
from multiverse.facts import EngineFacts, RunState
from multiverse.registry.datasets import RegisteredDataset
from multiverse.registry.objects import register_object
from multiverse.registry.options import RegistrationOptions
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.publish import publish
from multiverse.runs.record import RunRecord
from multiverse.runs.run import Run

Points = NDArray[np.float32]
TINY = Simulation(n_genes=60, n_peaks=0, n_proteins=12, n_types=3, n_batches=2)


def make_data(n_cells: int = 120, simulation: Simulation = TINY, **columns: Any) -> MuData:
    """``n_cells`` cells of RNA and proteins; ``columns`` replace or add to those of ``obs``."""
    data = simulate(n_cells, simulation)
    for name, values in columns.items():
        data.obs[name] = values
    return data


def register(
    home: Path,
    slug: str = "tiny",
    data: MuData | None = None,
    *,
    batch_key: str | None = "batch",
    label_key: str | None = "cell_type",
    **options: Any,
) -> RegisteredDataset:
    """Register, with the columns of a simulation unless others are named."""
    chosen = RegistrationOptions(batch_key=batch_key, label_key=label_key, **options)
    source = make_data() if data is None else data
    return register_object(source, slug=slug, options=chosen, home=home)


def cells_of(dataset: RegisteredDataset) -> pd.DataFrame:
    """``obs`` as the evaluator has it: batch and labels, by the name of the cell."""
    from anndata.io import read_elem

    with h5py.File(dataset.data, "r") as file:
        obs: pd.DataFrame = read_elem(file["obs"])
    if not dataset.labels.is_file():
        return obs
    with h5py.File(dataset.labels, "r") as file:
        labels: pd.DataFrame = read_elem(file["obs"])
    return obs.join(labels.loc[:, [name for name in labels.columns if name not in obs.columns]])


def noise(n_cells: int, n_dims: int = 5, seed: int = 0) -> Points:
    """An embedding that knows nothing, (n_cells, n_dims)."""
    return np.random.default_rng(seed).normal(size=(n_cells, n_dims)).astype(np.float32)


def informed(dataset: RegisteredDataset, seed: int = 0) -> Points:
    """An embedding that knows the labels a little, (n_cells, 5)."""
    codes = pd.factorize(cells_of(dataset)["cell_type"])[0]
    points = noise(len(codes), seed=seed)
    points[:, 0] += 3 * codes
    return points


def make_record(
    dataset: RegisteredDataset, model: str = "pca", seed: int = 0, **changes: Any
) -> RunRecord:
    """The record of a complete run; its id follows from what it is."""
    fingerprint = dataset.record.fingerprint
    identity = {"dataset": fingerprint, "model": model, "seed": seed, "parameters": {"n": 5}}
    identity |= changes.pop("identity", {})
    text = json.dumps(identity, sort_keys=True)
    content: dict[str, Any] = {
        "run_id": hashlib.sha256(text.encode()).hexdigest()[:16],
        "attempt": 1,
        "state": RunState.COMPLETE,
        "dataset": dataset.record.slug,
        "dataset_fingerprint": fingerprint,
        "n_obs": dataset.record.n_obs,
        "model": model,
        "model_version": "1.0.0",
        "seed": seed,
        "device": "cpu",
        "parameters": {"n": 5},
        "preprocessing": {},
        "modalities": tuple(dataset.record.modalities),
        "identity": identity,
        "image": None,
        "environment_lock": "0" * 64,
        "engine": EngineFacts(name="local", version="1", isolation="environment only"),
        "limits": {"cpus": 1.0, "memory": 1024, "time_limit": None},
        "threads": 1,
        "n_dims": 5,
        "started_at": "2026-01-01T00:00:00+00:00",
        "finished_at": "2026-01-01T00:00:02+00:00",
    }
    return RunRecord(**{**content, **changes})


def publish_run(
    results: ResultsFolder,
    dataset: RegisteredDataset,
    model: str = "pca",
    seed: int = 0,
    *,
    points: Points | None = None,
    cells: Sequence[str] | None = None,
    raw: bytes | None = None,
    **changes: Any,
) -> Run:
    """Publish a run. ``cells``: names in the order of ``points``; ``raw``: a file of other kind."""
    record = make_record(dataset, model, seed, **changes)
    attempt = results.new_attempt(record.run_id)
    output = attempt.output.folder
    for name in ("metrics.json", "umap.png", "run.log"):
        (output / name).write_text("{}")
    if raw is None:
        names = list(cells_of(dataset).index) if cells is None else list(cells)
        made = noise(len(names), seed=seed) if points is None else points
        write_embedding(output / "embeddings.h5", made, names)
    else:
        (output / "embeddings.h5").write_bytes(raw)
    attempt.container_log.write_text("")
    target = results.run(record.dataset, record.model, record.run_id)
    return Run(publish(attempt, target, record, "{}"), target.folder)


def write_embedding(path: Path, points: Points, names: Sequence[str]) -> None:
    """``embeddings.h5`` of the contract."""
    with h5py.File(path, "w") as file:
        file["latent"] = points
        file.create_dataset("obs_names", data=list(names), dtype=h5py.string_dtype())


def spoil(run: Run) -> None:
    """Change one byte of a published embedding, as a bad disk or a bad person would."""
    path = run.folder / "embeddings.h5"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(content))


def files_below(folder: Path) -> Mapping[str, bytes]:
    """Every file below a folder with its content, for before and after."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
