"""``python -m multiverse.models.mowgli`` as a container runs it, on simulated cells."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mudata import MuData, read_h5mu
from scipy.sparse import csr_matrix

from multiverse.models.mowgli.factorisation import Factorisation
from multiverse.models.mowgli.settings import MowgliSettings
from multiverse.models.mowgli.training import library_data
from multiverse.specs.model import ModelSpec
from multiverse.worker.preprocess import View
from tests.unit.worker.worker_jobs import (
    MODELS,
    THREADS,
    Finished,
    neighbour_purity,
    run_builtin,
    run_here,
    simulate,
)

SHORT: dict[str, Any] = {"latent_dimensions": 4, "max_iter": 2, "max_iter_inner": 20}
FEW = {"n_top_genes": 40, "n_top_peaks": 40}
DEFAULTS = ModelSpec.load(MODELS / "mowgli").defaults("parameters")


def write(folder: Path, data: MuData) -> Path:
    path = folder / "data.h5mu"
    data.write_h5mu(path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data"), simulate(60))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Finished]:
    def start(
        parameters: dict[str, Any] | None = None,
        preprocessing: dict[str, Any] | None = None,
        path: Path = data,
        **fields: Any,
    ) -> Finished:
        done = run_here(
            "mowgli",
            path,
            tmp_path_factory.mktemp("run") / "out",
            parameters={**SHORT, **(parameters or {})},
            preprocessing={**FEW, **(preprocessing or {})},
            **{"modalities": ("rna", "adt"), **fields},
        )
        assert done.code == 0, done.output
        assert done.findings() == []
        return done

    return start


@pytest.fixture(scope="module")
def usual(run: Callable[..., Finished]) -> Finished:
    return run()


@pytest.mark.parametrize(
    "modalities", [("rna",), ("adt",), ("atac",), ("rna", "atac"), ("rna", "atac", "adt")]
)
def test_combinations_of_modalities(
    run: Callable[..., Finished], modalities: tuple[str, ...]
) -> None:
    done = run({"max_iter_inner": 60}, modalities=modalities)
    assert done.latent.shape == (60, 4)
    assert (done.latent >= 0).all()
    np.testing.assert_allclose(done.latent.sum(axis=1), 1, rtol=1e-5)
    assert neighbour_purity(done.latent[2:], np.arange(58) % 3, k=8) > 0.6
    parts = {name for name in done.metrics["model_metrics"] if name.startswith("transport_")}
    assert parts == {f"transport_{name}" for name in modalities}


def test_epochs_are_outer_iterations(usual: Finished) -> None:
    assert [(epoch["epoch"], epoch["total"]) for epoch in usual.epochs] == [(1, 2), (2, 2)]
    assert usual.epochs[-1]["loss"] == usual.metrics["model_metrics"]["loss"]
    assert {"transport_rna", "transport_adt"} < usual.epochs[0].keys()
    assert usual.metrics["model_metrics"]["inner_steps"] <= 2 * 2 * 20
    assert "gpu_memory_allocated" not in usual.output, "the library's progress bar"


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_gives_the_same_bits(run: Callable[..., Finished], seed: int) -> None:
    one, two = run(seed=seed), run(seed=seed)
    assert np.array_equal(one.latent, two.latent)
    assert one.epochs == two.epochs
    other = run(seed=seed + 1)
    assert not np.array_equal(one.latent, other.latent)


def test_another_process_gives_the_same_bits(
    run: Callable[..., Finished],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = run_builtin(
        "mowgli", data, tmp_path, parameters=SHORT, preprocessing=FEW, modalities=("rna", "adt")
    )
    assert other.code == 0, other.output
    monkeypatch.setenv("OMP_NUM_THREADS", THREADS["OMP_NUM_THREADS"])
    assert np.array_equal(run().latent, other.latent)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("parameters", {"h_rna": 0.5}),
        ("parameters", {"h_adt": 0.5}),
        ("parameters", {"w_regularization": 0.1}),
        ("parameters", {"eps": 0.2}),
        ("parameters", {"cost": "ones"}),
        ("parameters", {"cost": "euclidean"}),
        ("parameters", {"cost": "sqeuclidean"}),
        ("parameters", {"cost": "cityblock"}),
        ("parameters", {"cost": "correlation"}),
        ("parameters", {"normalize_rows": True}),
        ("parameters", {"max_iter": 1}),
        ("parameters", {"max_iter_inner": 10}),
        ("parameters", {"tol_inner": 0.5}),
        ("parameters", {"tol_outer": 10.0, "max_iter": 3}),
        ("parameters", {"lr": 0.5}),
        ("parameters", {"optimizer": "adam", "lr": 0.01}),
        ("parameters", {"optimizer": "sgd"}),
        ("parameters", {"dtype": "float64"}),
        ("preprocessing", {"min_cells": 40}),
        ("preprocessing", {"n_top_genes": 20}),
        ("preprocessing", {"n_top_genes": None}),
        ("preprocessing", {"target_sum": 100}),
    ],
)
def test_settings_change_the_result(
    run: Callable[..., Finished], usual: Finished, part: str, change: dict[str, Any]
) -> None:
    changed = run(**{part: change})
    if "tol_outer" in change:
        assert changed.metrics["model_metrics"]["iterations"] == 2
        assert changed.metrics["model_metrics"]["converged"] == 1
    else:
        assert not np.array_equal(usual.latent, changed.latent)


def test_latent_dimensions_and_peaks(run: Callable[..., Finished]) -> None:
    few = run({"latent_dimensions": 2}, modalities=("atac",))
    assert few.latent.shape == (60, 2)
    more = run({"latent_dimensions": 2}, {"n_top_peaks": 60}, modalities=("atac",))
    assert more.metrics["settings"]["used"]["features"] == {"atac": 60}
    sparse = run({"latent_dimensions": 2, "h_atac": 0.001}, modalities=("atac",))
    assert not np.array_equal(few.latent, sparse.latent)


def test_settings_arrive_in_the_library() -> None:
    changed = {**DEFAULTS, "h_atac": 0.3, "w_regularization": 0.2, "eps": 0.1, "cost": "ones"}
    settings = MowgliSettings.from_parameters(changed)
    model = Factorisation(**settings.for_class(["rna", "atac"]))
    assert model.latent_dim == 15
    assert model.h_regularization == {"rna": 0.01, "atac": 0.3}
    assert (model.w_regularization, model.eps, model.cost) == (0.2, 0.1, "ones")
    training = settings.for_training()
    assert training["optim_name"] == "lbfgs"
    assert {name for name in training if name in DEFAULTS} == {
        *("max_iter", "max_iter_inner", "tol_inner", "tol_outer", "lr", "normalize_rows")
    }


def test_defaults_are_those_of_the_library_where_it_has_good_ones() -> None:
    library = Factorisation()
    for name, value in library.h_regularization.items():
        assert name == "prot" or DEFAULTS[f"h_{name}"] == value
    for name in ("w_regularization", "eps", "cost"):
        assert DEFAULTS[name] == getattr(library, name)


def test_a_cell_without_counts_is_placed_by_its_other_modality() -> None:
    """Whatever the library makes of its zeros: weight 0 takes it out of loss and dictionary."""
    random = np.random.default_rng(0)
    rna = random.random((30, 8)).astype(np.float32)
    adt = random.random((30, 4)).astype(np.float32)
    rna[3] = 0
    noise = np.where(np.arange(30)[:, None] == 3, random.random((30, 8)), rna).astype(np.float32)
    results = []
    for values in (rna, noise):
        views = [
            View("rna", values, tuple(map(str, range(8)))),
            View("adt", adt, tuple(map(str, range(4)))),
        ]
        given, unseen = library_data(views)
        weights = given.obs["rna:mod_weight"].to_numpy(copy=True)
        assert unseen == {"rna": int((weights == 0).sum()), "adt": 0}
        weights[3] = 0
        given.obs["rna:mod_weight"] = weights
        torch.manual_seed(0)
        # A cost that does not depend on the values of the cell in question.
        model = Factorisation(latent_dim=3, cost="ones", use_mod_weight=True)
        model.fit(
            given,
            lambda number, loss: None,
            device=torch.device("cpu"),
            dtype=torch.float64,
            **{
                **MowgliSettings.from_parameters({**DEFAULTS, **SHORT}).for_training(),
                "max_iter": 1,
            },
        )
        results.append(model.W.numpy())
    np.testing.assert_array_equal(results[0], results[1])
    assert np.ptp(results[0][:, 3]) > 0.01


def test_empty_cells_are_kept(run: Callable[..., Finished], usual: Finished) -> None:
    """Cells 0 and 1 of the simulated data have no RNA."""
    assert usual.metrics["settings"]["used"]["cells_without_counts"]["rna"] == 2
    alone = run(modalities=("rna",))
    assert alone.latent.shape == (60, 4)
    np.testing.assert_allclose(alone.latent[:2], 0.25, rtol=1e-6)


def test_three_proteins_and_features_never_seen(
    run: Callable[..., Finished], data: Path, tmp_path: Path
) -> None:
    source = read_h5mu(data)
    counts = source["rna"].X.toarray()
    counts[:, ::2] = 0
    source["rna"].X = csr_matrix(counts)
    cut = MuData({"rna": source["rna"], "adt": source["adt"][:, :3].copy()})
    cut.obs = source.obs.copy()
    done = run(path=write(tmp_path, cut), preprocessing={"n_top_genes": None})
    features = done.metrics["settings"]["used"]["features"]
    assert features["adt"] == 3
    assert features["rna"] <= 60


@pytest.mark.parametrize("n_proteins", [1, 0])
def test_too_few_features_are_not_applicable(data: Path, tmp_path: Path, n_proteins: int) -> None:
    source = read_h5mu(data)
    adt = source["adt"].copy()
    counts = adt.X.toarray()
    counts[:, n_proteins:] = 0
    adt.X = csr_matrix(counts)
    path = write(tmp_path, MuData({"adt": adt}))
    done = run_here("mowgli", path, tmp_path / "out", modalities=("adt",), parameters=SHORT)
    assert done.code == 99, done.output
    assert "feature" in done.files.reason.read_text()


def test_one_cell_is_not_applicable(data: Path, tmp_path: Path) -> None:
    path = write(tmp_path, read_h5mu(data)[:1].copy())
    done = run_here("mowgli", path, tmp_path / "out", modalities=("rna",), parameters=SHORT)
    assert done.code == 99, done.output


def test_two_cells_will_do(run: Callable[..., Finished], data: Path, tmp_path: Path) -> None:
    path = write(tmp_path, read_h5mu(data)[2:4].copy())
    done = run(path=path, preprocessing={"min_cells": 1})
    assert done.latent.shape == (2, 4)


def test_the_batch_column_changes_genes_only(run: Callable[..., Finished]) -> None:
    with_batch = run(batch_key="donor", preprocessing={"n_top_genes": None})
    without = run(preprocessing={"n_top_genes": None})
    assert np.array_equal(with_batch.latent, without.latent)
    assert "not corrected for batch" in with_batch.log


def test_a_gpu_is_used_or_the_job_fails(data: Path, tmp_path: Path) -> None:
    done = run_here(
        "mowgli", data, tmp_path, device="cuda", modalities=("rna", "adt"), parameters=SHORT
    )
    if torch.cuda.is_available():
        assert done.code == 0, done.output
        assert "gpu" in done.metrics["settings"]["used"]
    else:
        assert done.code == 1
        assert "the device cuda was asked for, but" in done.last_line


def test_memory_is_judged_before_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from multiverse.contract.paths import MEMORY_VARIABLE

    monkeypatch.setenv(MEMORY_VARIABLE, str(300 * 1024**2))
    done = run_here("mowgli", data, tmp_path, modalities=("rna",), parameters=SHORT)
    assert done.code == 1
    assert "of memory" in done.last_line
    assert not done.files.epochs.exists()


MEASURE = """
import resource
import numpy as np, torch
from multiverse.models.mowgli.memory import bytes_needed
from multiverse.models.mowgli.settings import MowgliSettings
from multiverse.models.mowgli.training import library_data
from multiverse.models.mowgli.factorisation import Factorisation
from multiverse.worker.preprocess import View
"""


def test_memory_formula_bounds_what_is_used(tmp_path: Path) -> None:
    """Peak of a process of its own; neither less than used nor more than half as much again."""
    settings = {**DEFAULTS, "max_iter": 1, "max_iter_inner": 8}
    program = (
        f"{MEASURE}"
        f"settings = MowgliSettings.from_parameters({settings!r})\n"
        "random = np.random.default_rng(0)\n"
        "views = [View(n, random.random((8000, p), dtype=np.float32), tuple(map(str, range(p))))"
        " for n, p in (('rna', 150), ('adt', 20))]\n"
        "data, _ = library_data(views)\n"
        "model = Factorisation(**settings.for_class(['rna', 'adt']), use_mod_weight=True)\n"
        "model.fit(data, lambda n, l: None, device=torch.device('cpu'), dtype=torch.float32,"
        " **settings.for_training())\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "print(peak, bytes_needed(views, settings))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    peak, promised = map(int, done.stdout.split())
    assert peak <= promised <= 1.5 * peak
