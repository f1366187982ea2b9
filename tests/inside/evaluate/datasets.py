"""Data to score: real ones, where they are beside this repository, and a simulated one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import h5py
import mudata
import numpy as np
import pandas as pd

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.demo.simulation import Simulation, simulate
from multiverse.evaluation.case import Case
from multiverse.evaluation.modalities import read_modalities
from multiverse.evaluation.sheet import read_sheet

UNLABELLED = "unknown"
LOG = logging.getLogger(__name__)


def write_simulated(path: Path, n_cells: int = 420) -> None:
    """Four types in two batches, with what real labels have besides.

    15 cells have no label, 12 are of a type that one batch has alone, 6 of one that is too small
    for kBET.
    """
    data = simulate(n_cells, Simulation(n_genes=300, n_peaks=400, n_proteins=12, n_types=4))
    labels = data.obs["cell_type"].astype(str).to_numpy(dtype=object)
    batch = data.obs["batch"].astype(str)
    alone = np.flatnonzero((labels == "type_1") & (batch == "batch_1"))
    labels[alone[:12]] = "rare"
    labels[np.flatnonzero(labels == "type_2")[:6]] = "few"
    labels[-15:] = UNLABELLED
    data.obs["cell_type"] = pd.Categorical(labels)
    with mudata.set_options(pull_on_update=False):
        data.write_h5mu(path)


def case_from(path: Path, label_key: str = "cell_type") -> Case:
    """Labels, batches and modalities of a file; the embedding is the modalities' components.

    Each modality's are divided by its largest standard deviation, so that both count, and half of
    the difference between batches is taken away.
    """
    settings = EvaluationSettings()
    with h5py.File(path, "r") as file:
        names: Sequence[str] = list(file["mod"])
    sheet = read_sheet(path, path, batch_key="batch", label_key=label_key, unlabelled=(UNLABELLED,))
    views = read_modalities(path, names, "batch", settings, LOG)
    parts = [view.points[:, :20] / view.points.std(axis=0).max() for view in views.values()]
    points = np.ascontiguousarray(np.hstack(parts), dtype=np.float32)
    assert sheet.batches is not None
    for code in range(len(sheet.batches.names)):
        own = sheet.batches.codes == code
        points[own] -= points[own].mean(axis=0) / 2
    return Case("joined", points, sheet, views, settings)
