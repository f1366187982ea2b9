"""Each modality on its own: what its cells look like before any integration.

Principal components of the transformed counts, as the linear baseline sees them: log-normalised
variable genes, TF-IDF of peaks, centred log-ratio of proteins.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multiverse.contract import JobSpec
from multiverse.contract.evaluation import EvaluationSettings
from multiverse.errors import NotApplicable
from multiverse.evaluation.estimate import Cells
from multiverse.evaluation.neighbours import Matrix, find_neighbours, neighbours_needed
from multiverse.worker.data import read_input
from multiverse.worker.epochs import EpochLog
from multiverse.worker.job import Job
from multiverse.worker.preprocess import gaussian_views

N_COMPONENTS = 50


@dataclass(frozen=True)
class ModalityView:
    """One modality's components, (n_measured, n_dims), of the cells it was measured in."""

    name: str
    points: Matrix
    cells: Cells
    settings: EvaluationSettings

    def take(self, rows: Cells) -> ModalityView:
        """Return the view of the rows ``rows`` of the dataset (n_taken,), sorted."""
        measured = np.isin(self.cells, rows)
        cells = np.searchsorted(rows, self.cells[measured])
        return replace(self, points=self.points[measured], cells=cells)

    @cached_property
    def neighbours(self) -> NDArray[np.int64]:
        """Return the nearest other cells, (n_measured, k): rows of ``points``."""
        k = self.settings.structure_neighbours
        exact = len(self.cells) <= self.settings.max_cells
        wanted = neighbours_needed(self.settings)
        found = find_neighbours(self.points, wanted, exact=exact, seed=self.settings.seed)
        return found.others(k)


def read_modalities(
    data: Path,
    names: Sequence[str],
    batch_key: str | None,
    settings: EvaluationSettings,
    log: logging.Logger,
) -> dict[str, ModalityView]:
    """Return the views of a registered dataset, without modalities in which nothing varies."""
    views: dict[str, ModalityView] = {}
    for name in names:
        spec = _spec(name, batch_key)
        given = read_input(data, spec, mosaic=True)
        job = Job(
            spec=spec,
            batch=given.batch,
            threads=1,
            log=log,
            epochs=EpochLog(Path("/dev/null"), log),
            memory_limit=None,
            measured=given.measured,
        )
        try:
            (view,) = gaussian_views(job, given.data)
        except NotApplicable as reason:
            log.warning("%s has no components: %s", name, reason)
            continue
        cells = np.flatnonzero(given.measured[name])
        views[name] = ModalityView(name, _components(view.values, cells), cells, settings)
    return views


def _spec(modality: str, batch_key: str | None) -> JobSpec:
    """Return a job of one modality without settings: preprocessing at its defaults."""
    return JobSpec(
        seed=0,
        dataset_id="",
        dataset_name="",
        model_name="pca",
        model_version="0",
        image=None,
        hyperparameters={},
        modalities=(modality,),
        batch_key=batch_key,
    )


def _components(values: Any, cells: Cells) -> Matrix:
    """Return at most :data:`N_COMPONENTS` principal components of the measured cells, seeded."""
    from sklearn.decomposition import PCA

    rows: Any = values[cells]
    wanted = min(N_COMPONENTS, min(rows.shape) - 1) or 1
    if not isinstance(rows, np.ndarray):
        solver = "arpack" if wanted < min(rows.shape) else "covariance_eigh"
        rows = rows.astype(np.float64)
    else:
        solver = "full"
    found = PCA(n_components=wanted, svd_solver=solver, random_state=0).fit_transform(rows)
    return np.ascontiguousarray(found, dtype=np.float32)


def sizes(data: Path, names: Sequence[str]) -> Mapping[str, int]:
    """Return modality → features, as registered."""
    import h5py
    from anndata.io import read_elem

    with h5py.File(data, "r") as file:
        return {name: len(read_elem(file["mod"][name]["var"])) for name in names}
