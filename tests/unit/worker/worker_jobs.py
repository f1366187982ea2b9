"""Jobs for tests: small datasets, and models run as the engines run them."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

import multiverse
from multiverse.contract import CellNames, Finding, JobSpec, OutputFiles, check_output
from multiverse.specs.model import ModelSpec
from multiverse.worker import run_model

MODELS = Path(multiverse.__file__).parent / "models"
FEATURES = {"rna": 120, "atac": 200, "adt": 10}
#: Two threads on every machine, so that times are alike; variables the engines set too.
THREADS = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}


def simulate(n_cells: int = 90, modalities: Sequence[str] = ("rna", "atac", "adt")) -> MuData:
    """Three kinds of cells in two batches; cells 0 and 1 are empty in the first modality."""
    random = np.random.default_rng(7)
    kinds = np.arange(n_cells) % 3
    names = [f"cell-{number:03d}-é" for number in range(n_cells)]
    obs = pd.DataFrame({"donor": [f"d{number // 7 % 2}" for number in range(n_cells)]}, index=names)
    parts: dict[str, AnnData] = {}
    for position, name in enumerate(modalities):
        rates = random.gamma(0.6, 2.0, size=(3, FEATURES[name]))
        counts = random.poisson(rates[kinds]).astype(np.float32)
        if position == 0:
            counts[:2] = 0
        var = pd.DataFrame(index=[f"{name}{number}" for number in range(FEATURES[name])])
        parts[name] = AnnData(csr_matrix(counts), obs=obs.copy(), var=var)
    data = MuData(parts)
    data.obs = obs.copy()
    return data


@dataclass(frozen=True)
class Finished:
    """What a process left behind."""

    code: int
    output: str
    files: OutputFiles
    data: Path

    @property
    def latent(self) -> NDArray[np.float32]:
        with h5py.File(self.files.embeddings) as file:
            return np.asarray(file["latent"][...])

    @property
    def metrics(self) -> Any:
        return json.loads(self.files.metrics.read_text())

    @property
    def epochs(self) -> list[dict[str, float]]:
        return [json.loads(line) for line in self.files.epochs.read_text().splitlines()]

    @property
    def log(self) -> str:
        return self.files.log.read_text()

    @property
    def last_line(self) -> str:
        return self.log.splitlines()[-1]

    def findings(self) -> list[Finding]:
        return check_output(self.files.folder, CellNames.read(self.data))


def write_job(folder: Path, **fields: Any) -> JobSpec:
    """A job in ``folder``; fields that are not given have harmless values."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = JobSpec(
        **{
            "seed": 0,
            "dataset_id": "sha256:0",
            "dataset_name": "simulated",
            "model_name": "test",
            "model_version": "1.0.0",
            "image": None,
            "hyperparameters": {},
            "modalities": ("rna",),
            **fields,
        }
    )
    OutputFiles(folder).job_spec.write_text(spec.to_json())
    return spec


def run_process(
    command: Sequence[str], data: Path, folder: Path, environment: Mapping[str, str] | None = None
) -> Finished:
    """Run a worker as an engine does."""
    variables = {**os.environ, **THREADS, **(environment or {})}
    variables |= {"MULTIVERSE_INPUT": str(data), "MULTIVERSE_OUTPUT": str(folder)}
    done = subprocess.run(
        [sys.executable, *command], env=variables, capture_output=True, text=True, timeout=300
    )
    return Finished(done.returncode, done.stdout + done.stderr, OutputFiles(folder), data)


def run_builtin(
    model: str,
    data: Path,
    folder: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Finished:
    """Run one of multiverse's own models with its declared defaults, changed where asked."""
    write_model_job(model, folder, parameters, preprocessing, **fields)
    return run_process(["-m", f"multiverse.models.{model}"], data, folder)


def run_here(
    model: str,
    data: Path,
    folder: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Finished:
    """As :func:`run_builtin`, the whole worker, but in this process: quicker by its imports."""
    write_model_job(model, folder, parameters, preprocessing, **fields)
    module = importlib.import_module(f"multiverse.models.{model}.__main__")
    places = {"MULTIVERSE_INPUT": str(data), "MULTIVERSE_OUTPUT": str(folder)}
    with mock.patch.dict(os.environ, places):
        mosaic = ModelSpec.load(MODELS / model).yaml.mosaic
        code = run_model(module.embed, devices=("cpu", "cuda"), mosaic=mosaic)
    files = OutputFiles(folder)
    return Finished(code, files.log.read_text(), files, data)


def write_model_job(
    model: str,
    folder: Path,
    parameters: Mapping[str, Any] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    **fields: Any,
) -> None:
    """A job of one of multiverse's own models, with declared defaults where nothing is given."""
    spec = ModelSpec.load(MODELS / model)
    write_job(
        folder,
        model_name=model,
        hyperparameters={**spec.defaults("parameters"), **(parameters or {})},
        preprocessing={**spec.defaults("preprocessing"), **(preprocessing or {})},
        **fields,
    )


def neighbour_purity(latent: NDArray[Any], labels: NDArray[Any], k: int = 15) -> float:
    """The share of each cell's k nearest neighbours that have its label."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=k).fit(latent).kneighbors(return_distance=False)
    return float((labels[near] == labels[:, None]).mean())
