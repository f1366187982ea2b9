"""Cobolt on a mosaic, from registration to the embedding of every cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import mudata
import numpy as np
import pytest
from anndata import AnnData, read_h5ad
from anndata.io import read_elem, write_elem
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from multiverse.models.cobolt.counts import CellCounts
from multiverse.registry.datasets import RegisteredDataset
from multiverse.registry.objects import register_object
from multiverse.registry.registration import RegistrationOptions, register
from multiverse.worker.mosaic import spread_rows
from multiverse.worker.preprocess import View
from tests.conftest import shared_dataset
from tests.unit.worker.worker_jobs import Finished, neighbour_purity, run_here

FIELDS: dict[str, Any] = {
    "parameters": {"max_epochs": 4, "annealing_epochs": 2},
    "preprocessing": {"n_top_genes": 200},
    "modalities": ("rna", "adt"),
    "batch_key": "batch",
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RegisteredDataset:
    """3,000 real cells, 1,500 of them with proteins."""
    options = RegistrationOptions(
        mosaic=True, batch_key="batch", label_key="cell_type", unlabelled=("unknown",)
    )
    home = tmp_path_factory.mktemp("home")
    return register(shared_dataset("pbmc_mosaic"), options=options, home=home)


@pytest.fixture(scope="module")
def done(dataset: RegisteredDataset, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return run_here("cobolt", dataset.data, tmp_path_factory.mktemp("out"), **FIELDS)


@pytest.mark.data
def test_every_cell_is_embedded(done: Finished) -> None:
    assert done.code == 0, done.output
    assert done.findings() == []
    assert done.latent.shape == (3000, 10)
    assert len(np.unique(done.latent, axis=0)) == 3000
    metrics, settings = done.metrics["model_metrics"], done.metrics["settings"]
    assert settings["measured_cells"] == {"rna": 3000, "adt": 1500}
    assert metrics["incomplete_cells"] == metrics["corrected_cells"] == 1500
    assert metrics["empty_cells"] == 0
    assert settings["used"]["correction"] == "gbm"
    assert "adt: 1,500 of 3,000 cells" in done.log


@pytest.mark.data
def test_cells_of_a_type_are_neighbours(done: Finished, dataset: RegisteredDataset) -> None:
    labels = read_h5ad(dataset.labels).obs["cell_type"].astype(object)
    known = (labels.notna() & (labels != "unknown")).to_numpy()
    names = labels.to_numpy()[known].astype(str)
    random = np.random.default_rng(0).normal(size=(int(known.sum()), 10))
    assert neighbour_purity(done.latent[known], names) > 0.75
    assert neighbour_purity(random, names) < 0.4


@pytest.mark.data
def test_a_cell_that_was_not_measured_adds_nothing(tmp_path: Path) -> None:
    """Rows of zeros for the proteins of the others give the same: zeros are never learned from."""
    source = mudata.read_h5mu(shared_dataset("pbmc_mosaic"))
    paired = source["adt"].obs_names
    chosen = [*paired[:120], *source.obs_names[~source.obs_names.isin(paired)][:80]]
    part = source[chosen].copy()
    options = RegistrationOptions(mosaic=True, batch_key="batch")
    dataset = register_object(part, slug="part", options=options, home=tmp_path / "home")
    assert dataset.record.lacking == {"adt": 80}
    path = tmp_path / "zeros.h5mu"
    path.write_bytes(dataset.data.read_bytes())
    with h5py.File(path, "r+") as file:
        obs, adt = read_elem(file["obs"]), read_elem(file["mod/adt"])
        del file["mod/adt"]
        filled = spread_rows(adt.X, obs.index.isin(adt.obs_names))
        write_elem(file, "mod/adt", AnnData(filled, obs=obs, var=adt.var))
    mosaic = run_here("cobolt", dataset.data, tmp_path / "mosaic", **FIELDS)
    zeros = run_here("cobolt", path, tmp_path / "zeros", **FIELDS)
    assert mosaic.metrics["settings"]["measured_cells"]["adt"] == 120
    assert zeros.metrics["settings"]["measured_cells"]["adt"] == 200
    np.testing.assert_array_equal(zeros.latent, mosaic.latent)


def counted(rows: list[list[int]]) -> csr_matrix:
    return csr_matrix(np.array(rows, dtype=np.float32))


def test_the_mask_and_the_counts_say_which_cells_have_a_modality() -> None:
    """Cell 1 was measured without a count; what a cell has that was not measured is not used."""
    views = [
        View("rna", counted([[1, 2], [0, 0], [3, 0], [1, 1]]), ("a", "b")),
        View("adt", counted([[5, 1], [1, 2], [4, 4], [9, 9]]), ("c", "d")),
    ]
    mask: NDArray[np.bool_] = np.array([True, True, False, True])
    counts = CellCounts.of(views, None, {"adt": mask})
    assert counts.observed.tolist() == [[True, True], [False, True], [True, False], [True, True]]
    assert {pattern: cells.tolist() for pattern, cells in counts.patterns().items()} == {
        (0, 1): [0, 3],
        (1,): [1],
        (0,): [2],
    }
    assert CellCounts.of(views, None).observed[:, 1].all()
