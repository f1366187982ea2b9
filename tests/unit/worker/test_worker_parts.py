"""Parts of the worker that need no process of their own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pytest

import multiverse.worker
from multiverse.contract import JobSpec
from multiverse.contract.files import written_aside
from multiverse.errors import DatasetError
from multiverse.worker.caches import BAKED_VARIABLE, writable_caches
from multiverse.worker.data import read_input
from multiverse.worker.embedding import BadEmbedding, Series, as_number, check_latent
from multiverse.worker.epochs import EpochLog
from multiverse.worker.job import available_threads
from multiverse.worker.picture import Caption, write_picture
from tests.unit.worker.worker_jobs import simulate, write_job

LOG = logging.getLogger("test")
HEAVY = "anndata mudata pandas h5py matplotlib umap sklearn numba scipy torch skmisc pynndescent"


def test_importing_the_sdk_and_a_model_loads_nothing_heavy() -> None:
    code = (
        (
            "import sys, multiverse.worker, multiverse.models.pca.__main__,"
            f" multiverse.models.mofa.__main__; print({HEAVY.split()!r} & sys.modules.keys())"
        )
        .replace("['", "{'")
        .replace("']", "'}")
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_exported_names_are_sorted_and_exist() -> None:
    names = multiverse.worker.__all__
    assert names == sorted(names)
    assert all(hasattr(multiverse.worker, name) for name in names)


def test_threads_are_what_the_engine_set() -> None:
    assert available_threads({"OMP_NUM_THREADS": "3"}) == 3
    assert available_threads({"OMP_NUM_THREADS": "4,2"}) == 4
    for odd in ({}, {"OMP_NUM_THREADS": "many"}, {"OMP_NUM_THREADS": "0"}):
        assert available_threads(odd) == len(os.sched_getaffinity(0))


def test_a_baked_cache_is_copied_to_where_numba_may_write(tmp_path: Path) -> None:
    baked = tmp_path / "baked"
    (baked / "matplotlib").mkdir(parents=True)
    (baked / "code.nbi").write_text("compiled")
    (baked / "code.nbi").chmod(0o444)
    variables = {BAKED_VARIABLE: str(baked), "HOME": "/nowhere"}
    with writable_caches(variables):
        folder = Path(variables["NUMBA_CACHE_DIR"])
        (folder / "code.nbi").write_text("newer")
        assert Path(variables["MPLCONFIGDIR"]) == folder / "matplotlib"
        assert os.access(variables["HOME"], os.W_OK)
    assert variables == {BAKED_VARIABLE: str(baked), "HOME": "/nowhere"}
    assert not folder.exists()
    assert (baked / "code.nbi").read_text() == "compiled"


def test_places_that_are_writable_are_kept(tmp_path: Path) -> None:
    places = {"NUMBA_CACHE_DIR": "numba", "MPLCONFIGDIR": "mpl", "HOME": "."}
    variables = {name: str(tmp_path / place) for name, place in places.items()}
    before = dict(variables)
    with writable_caches(variables):
        assert variables == before


def test_a_broken_baked_cache_does_not_matter(tmp_path: Path) -> None:
    variables = {BAKED_VARIABLE: str(tmp_path / "absent"), "HOME": str(tmp_path)}
    with writable_caches(variables):
        assert os.access(variables["MPLCONFIGDIR"], os.W_OK)


def test_input_has_the_cells_of_obs_in_its_order(tmp_path: Path) -> None:
    data = simulate(30, ("rna", "adt"))
    shuffled = data["adt"][::-1].copy()
    path = tmp_path / "data.h5mu"
    data.write_h5mu(path)
    import h5py

    with h5py.File(path, "a") as file:
        del file["mod/adt"]
        anndata.io.write_elem(file, "mod/adt", shuffled)
    spec = write_job(tmp_path, modalities=("rna", "adt"), batch_key="donor")
    given = read_input(path, spec)
    assert given.cells == list(data.obs_names)
    assert list(given.data["adt"].obs_names) == given.cells
    assert (given.data["adt"].X != data["adt"].X).nnz == 0
    assert given.batch is not None
    assert given.batch.tolist() == data.obs["donor"].tolist()


def test_modalities_with_other_cells_are_refused(tmp_path: Path) -> None:
    data = simulate(30, ("rna", "adt"))
    path = tmp_path / "data.h5mu"
    data.write_h5mu(path)
    import h5py

    with h5py.File(path, "a") as file:
        del file["mod/adt"]
        other = data["adt"].copy()
        other.obs_names = ["stranger", *other.obs_names[1:]]
        anndata.io.write_elem(file, "mod/adt", other)
    spec: JobSpec = write_job(tmp_path, modalities=("rna", "adt"))
    for mosaic in (False, True):
        with pytest.raises(DatasetError, match="modality adt does not have the same cells"):
            read_input(path, spec, mosaic=mosaic)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), written_aside(path) as aside:
        aside.write_text("half \ud800", encoding="utf-8")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1), (np.float32(0.5), 0.5), (np.array(2.0), 2.0), (True, None), ("1", None),
     (float("nan"), None), (None, None), (np.arange(2), None)],
)  # fmt: skip
def test_numbers(value: object, number: float | None) -> None:
    assert as_number(value) == number


def test_latent_becomes_float32_rows() -> None:
    latent = check_latent(np.asfortranarray(np.eye(3, 2)), 3)
    assert latent.dtype == np.float32
    assert latent.flags.c_contiguous


def test_many_cells_are_drawn_from_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("multiverse.worker.picture.MAX_CELLS", 50)
    caplog.set_level(logging.INFO)
    latent = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    batch = np.array([f"batch {number}" for number in range(30)] * 2)
    caption = Caption("pca", "odd $name$", 60)
    write_picture(tmp_path / "umap.png", latent, batch, caption, seed=0, log=LOG)
    assert "The picture shows 50 of 60 cells." in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_an_axis_that_can_not_be_written_is_an_error_of_the_model() -> None:
    assert Series([1.0, 2.0], per="iteration", at=list(np.array([1, 6]))).per == "iteration"
    for bad in ({"per": ""}, {"per": "x" * 41}, {"at": [1]}, {"at": [1.5, 2]}, {"at": [-1, 2]}):
        with pytest.raises(BadEmbedding, match="a history"):
            Series([1.0, 2.0], **bad)


def test_epochs_keep_their_numbers_and_time_is_no_history(tmp_path: Path) -> None:
    log = EpochLog(tmp_path / "metrics.jsonl", logging.getLogger("test"))
    for number in (10, 20):
        log.add(number, 20, {"loss": 1 / number, "time": 0.5})
    assert log.history == {"loss": Series([0.1, 0.05], at=[10, 20])}
    assert '"time": 0.5' in (tmp_path / "metrics.jsonl").read_text()
    usual = EpochLog(tmp_path / "usual.jsonl", logging.getLogger("test"))
    usual.add(1, None, {"loss": 1})
    assert usual.history == {"loss": Series([1])}
