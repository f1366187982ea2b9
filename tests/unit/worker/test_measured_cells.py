"""A mosaic in the worker: rows for all cells, masks that say which were measured, views."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import mudata
import numpy as np
import pandas as pd
import pytest
from anndata.io import write_elem
from mudata import MuData
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from multiverse.contract import CellNames, OutputFiles, check_output
from multiverse.errors import DatasetError, NotApplicable
from multiverse.registry.objects import register_object
from multiverse.registry.options import RegistrationOptions
from multiverse.worker import Job, run_model
from multiverse.worker.data import Input, read_input
from multiverse.worker.mosaic import measured_cells, spread_rows
from multiverse.worker.preprocess import View, count_views, gaussian_views, non_negative_views
from tests.unit.worker.test_views import make_job
from tests.unit.worker.worker_jobs import simulate, write_job

N_CELLS = 60
#: The cells that were measured in each modality; cells 0 and 1 have RNA without any count.
MEASURED = {"rna": range(50), "atac": range(10, 60), "adt": range(0, 60, 2)}


def subset(data: MuData, measured: dict[str, Any]) -> MuData:
    with mudata.set_options(pull_on_update=False):
        made = MuData({name: data[name][list(rows)].copy() for name, rows in measured.items()})
        obs = data.obs.loc[[name for name in data.obs_names if name in set(made.obs_names)]]
        made = made[obs.index].copy()
        made.obs = obs
    return made


@pytest.fixture(scope="module")
def mosaic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registered mosaic: what a container gets."""
    dataset = register_object(
        subset(simulate(N_CELLS), MEASURED),
        slug="mosaic",
        options=RegistrationOptions(mosaic=True, batch_key="donor"),
        home=tmp_path_factory.mktemp("home"),
    )
    return dataset.data


def read(path: Path, folder: Path, *modalities: str, **settings: Any) -> Input:
    spec = write_job(folder, modalities=modalities or tuple(MEASURED), batch_key="donor")
    return read_input(path, spec, **settings)


def test_every_modality_has_all_cells_and_a_mask(mosaic: Path, tmp_path: Path) -> None:
    given, complete = read(mosaic, tmp_path, mosaic=True), simulate(N_CELLS)
    assert given.cells == complete.obs_names.tolist()
    assert given.batch is not None
    assert given.batch.tolist() == complete.obs["donor"].tolist()
    for name, rows in MEASURED.items():
        mask = given.measured[name]
        assert np.flatnonzero(mask).tolist() == list(rows)
        part = given.data[name]
        assert part.obs_names.tolist() == given.cells
        assert part.X.has_canonical_format
        assert (part.X[mask] != complete[name].X[mask]).nnz == 0
        assert part.X[~mask].nnz == 0
    empty = np.diff(given.data["rna"].X.indptr) == 0
    assert empty[[0, 1]].all(), "measured, without counts"
    assert given.measured["rna"][[0, 1]].all()


def test_modalities_in_another_order_of_cells(mosaic: Path, tmp_path: Path) -> None:
    path = tmp_path / "turned.h5mu"
    path.write_bytes(mosaic.read_bytes())
    complete = simulate(N_CELLS)
    with h5py.File(path, "r+") as file:
        del file["mod/adt"]
        write_elem(file, "mod/adt", complete["adt"][list(MEASURED["adt"])[::-1]].copy())
    turned, given = (read(place, tmp_path, mosaic=True) for place in (path, mosaic))
    assert (turned.data["adt"].X != given.data["adt"].X).nnz == 0


def test_complete_data_are_measured_everywhere(tmp_path: Path) -> None:
    simulate(N_CELLS).write_h5mu(tmp_path / "data.h5mu")
    given = read(tmp_path / "data.h5mu", tmp_path)
    assert all(mask.all() for mask in given.measured.values())


def test_without_the_promise_a_mosaic_is_not_applicable(mosaic: Path, tmp_path: Path) -> None:
    words = "10 of 60 cells lack rna, 30 of 60 cells lack adt, and every modality is needed"
    with pytest.raises(NotApplicable, match=words):
        read(mosaic, tmp_path, "rna", "adt")


def test_cells_without_any_modality_of_the_job_are_not_applicable(
    mosaic: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotApplicable, match="10 of 60 cells have no rna"):
        read(mosaic, tmp_path, "rna", mosaic=True)
    with pytest.raises(NotApplicable, match="5 of 60 cells have no rna or adt"):
        read(mosaic, tmp_path, "rna", "adt", mosaic=True)


@pytest.mark.parametrize(
    ("names", "words"),
    [(["a", "x"], "1 of its 2"), (["a", "a"], "more than once")],
)
def test_names_of_cells_must_fit(names: list[str], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        measured_cells(pd.Index(names), pd.Index(["a", "b", "c"]), "adt")


def test_rows_are_spread() -> None:
    counts = csr_matrix(np.array([[1, 0], [0, 0], [2, 3]], dtype=np.float32))
    spread = spread_rows(counts, np.array([False, True, True, False, True]))
    assert spread.toarray().tolist() == [[0, 0], [1, 0], [0, 0], [0, 0], [2, 3]]


Views = Callable[[Job, MuData], list[View]]
SETTINGS: dict[str, Any] = {
    "min_cells": 4,
    "n_top_genes": 30,
    "n_top_peaks": 40,
    "min_peak_share": 0.3,
}


@pytest.mark.parametrize("family", [count_views, gaussian_views, non_negative_views])
@pytest.mark.parametrize("batches", [True, False])
def test_views_are_those_of_the_measured_cells_alone(
    mosaic: Path, tmp_path: Path, family: Views, batches: bool
) -> None:
    """Features, and values, as if the other cells were not there; their rows are empty."""
    given = read(mosaic, tmp_path / "read", mosaic=True)
    batch = given.batch if batches else None
    job = replace(make_job(tmp_path / "all", **SETTINGS), batch=batch, measured=given.measured)
    for view in family(job, given.data):
        mask = given.measured[view.name]
        alone = alone_view(tmp_path / view.name, family, given, view.name, batch)
        assert view.features == alone.features
        assert view.values.shape == (N_CELLS, len(alone.features))
        np.testing.assert_array_equal(dense(view.values)[mask], dense(alone.values))
        assert not dense(view.values)[~mask].any()


def alone_view(
    folder: Path, family: Views, given: Input, name: str, batch: NDArray[np.str_] | None
) -> View:
    mask = given.measured[name]
    plain = make_job(folder, **SETTINGS)
    job = replace(
        plain,
        spec=plain.spec.model_copy(update={"modalities": (name,)}),
        batch=None if batch is None else batch[mask],
    )
    (view,) = family(job, MuData({name: given.data[name][mask].copy()}))
    return view


def dense(values: Any) -> NDArray[np.float32]:
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values)


def test_cells_taken_for_zeros_would_change_the_choice(mosaic: Path, tmp_path: Path) -> None:
    """Without the mask other peaks pass: the test above could fail."""
    given = read(mosaic, tmp_path / "read", mosaic=True)
    views = [
        count_views(replace(make_job(tmp_path / "job", **SETTINGS), measured=masks), given.data)
        for masks in (given.measured, {})
    ]
    assert [view.features for view in views[0]] != [view.features for view in views[1]]


def test_a_modality_of_a_single_cell_is_left_out(mosaic: Path, tmp_path: Path) -> None:
    given = read(mosaic, tmp_path / "read", mosaic=True)
    alone = {**given.measured, "adt": np.arange(N_CELLS) == 4}
    job = replace(
        make_job(tmp_path / "job", min_cells=1, n_top_genes=5, n_top_peaks=5), measured=alone
    )
    assert [view.name for view in count_views(job, given.data)] == ["rna", "atac"]
    assert job.notes.warnings == ["adt is left out: it was measured in fewer than 2 cells"]


def depth(job: Job, data: MuData) -> NDArray[np.float64]:
    """A model for mosaics: the mean count of a cell over the modalities it was measured in."""
    totals = [np.asarray(part.X.sum(axis=1)).ravel() for part in data.mod.values()]
    measured = np.column_stack([job.measured[name] for name in data.mod])
    means: NDArray[np.float64] = np.column_stack(totals).sum(axis=1) / measured.sum(axis=1)
    return np.column_stack([means, measured.sum(axis=1)])


@pytest.mark.parametrize("allowed", [True, False])
def test_the_whole_worker(
    mosaic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    write_job(tmp_path, modalities=("rna", "atac", "adt"), batch_key="donor")
    monkeypatch.setenv("MULTIVERSE_INPUT", str(mosaic))
    monkeypatch.setenv("MULTIVERSE_OUTPUT", str(tmp_path))
    code, files = run_model(depth, mosaic=allowed), OutputFiles(tmp_path)
    if not allowed:
        assert code == 99
        assert "10 of 60 cells lack rna" in files.reason.read_text()
        assert not files.embeddings.exists()
        return
    assert code == 0
    assert check_output(tmp_path, CellNames.read(mosaic)) == []
    recorded = json.loads(files.metrics.read_text())["settings"]
    assert recorded["measured_cells"] == {"rna": 50, "atac": 50, "adt": 30}
    assert "adt: 30 of 60 cells, 10 features" in files.log.read_text()
    with h5py.File(files.embeddings) as file:
        assert set(file["latent"][:, 1]) == {1, 2, 3}
