"""``python -m multiverse.models.mofa`` as a container runs it, and against mofapy2 itself."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData, read_h5mu

from multiverse.models.mofa.device import gpu_index
from multiverse.models.mofa.training import MofaSettings
from multiverse.specs.model import ModelSpec
from multiverse.worker.preprocess import as_counts, clr, log_normalise, variable_genes
from tests.conftest import shared_dataset
from tests.unit.worker.worker_jobs import (
    MODELS,
    THREADS,
    Finished,
    neighbour_purity,
    run_builtin,
    run_here,
    simulate,
    write_model_job,
)

SHORT = {"max_iterations": 60, "n_factors": 5}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.h5mu"
    simulate(60).write_h5mu(path)
    return path


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Callable[..., Finished]:
    def start(
        name: str = "out",
        modalities: tuple[str, ...] = ("rna", "adt"),
        parameters: dict[str, Any] | None = None,
        **more: Any,
    ) -> Finished:
        wanted = {**SHORT, **(parameters or {})}
        folder = tmp_path / name
        done = run_here("mofa", data, folder, modalities=modalities, parameters=wanted, **more)
        assert done.code == 0, done.output
        assert done.findings() == []
        return done

    return start


@pytest.fixture(scope="module")
def usual(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("usual")
    return run_builtin("mofa", data, folder, modalities=("rna", "adt"), parameters=SHORT)


@pytest.mark.parametrize(
    "modalities", [("rna",), ("adt",), ("rna", "atac"), ("rna", "atac", "adt")]
)
def test_combinations_of_modalities(
    run: Callable[..., Finished], modalities: tuple[str, ...]
) -> None:
    done = run(modalities=modalities)
    assert done.latent.shape == (60, 5)
    assert neighbour_purity(done.latent[2:], np.arange(58) % 3, k=8) > 0.8
    for name in modalities:
        assert 0 < done.metrics["model_metrics"][f"explained_variance_{name}"] <= 1
        assert len(done.metrics["history"][f"explained_variance_per_factor_{name}"]) == 5


def test_lower_bounds_are_reported_and_rise(usual: Finished) -> None:
    iterations = [epoch["epoch"] for epoch in usual.epochs]
    assert iterations == list(range(1, 61, 5))
    bounds = [epoch["elbo"] for epoch in usual.epochs]
    assert usual.metrics["history"]["elbo"] == bounds
    assert bounds[-1] == usual.metrics["model_metrics"]["elbo"]
    assert bounds[-1] > bounds[0]
    assert {(epoch["total"], epoch["limit"]) for epoch in usual.epochs} == {(60, True)}


def test_its_library_is_recorded(usual: Finished) -> None:
    assert usual.metrics["libraries"] == {"mofapy2": version("mofapy2")}


def test_histories_say_what_they_are_per(usual: Finished) -> None:
    per_factor = {"per": "factor"}
    assert usual.metrics["history_axes"] == {
        "elbo": {"per": "iteration", "at": list(range(1, 61, 5))},
        "explained_variance_per_factor_rna": per_factor,
        "explained_variance_per_factor_adt": per_factor,
    }


def test_as_many_iterations_as_were_asked_for(run: Callable[..., Finished]) -> None:
    """mofapy2 itself would stop one short of them."""
    done = run(parameters={"max_iterations": 12, "elbo_frequency": 1})
    assert [(epoch["epoch"], epoch["total"]) for epoch in done.epochs] == [
        (number, 12) for number in range(1, 13)
    ]
    assert done.metrics["model_metrics"]["iterations"] == 12
    assert done.metrics["model_metrics"]["converged"] == 0


def test_iterations_after_the_last_lower_bound_count_too(usual: Finished) -> None:
    assert usual.epochs[-1]["epoch"] == 56
    assert usual.metrics["model_metrics"]["iterations"] == 60


def test_the_log_is_clean_and_nothing_else_is_written(usual: Finished) -> None:
    assert "###" not in usual.output
    assert "Successfully loaded" not in usual.output
    assert len(list(usual.files.folder.iterdir())) == 6


def test_lower_bounds_arrive_while_the_model_trains(tmp_path: Path, data: Path) -> None:
    endless = {"max_iterations": 100_000, "elbo_frequency": 1, "convergence_mode": "slow"}
    write_model_job("mofa", tmp_path, endless, modalities=("rna", "atac", "adt"))
    variables = {"MULTIVERSE_INPUT": str(data), "MULTIVERSE_OUTPUT": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "multiverse.models.mofa"],
        env={**os.environ, **THREADS, **variables},
        stdout=subprocess.DEVNULL,
    )
    try:
        epochs, deadline = tmp_path / "metrics.jsonl", time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if epochs.exists() and epochs.read_text().count("\n") >= 4:
                break
            time.sleep(0.02)
        lines = [json.loads(line) for line in epochs.read_text().splitlines()[:4]]
        assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
        assert not (tmp_path / "embeddings.h5").exists()
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_runs_repeat_bit_for_bit(run: Callable[..., Finished], usual: Finished) -> None:
    one, two = run("one"), run("two")
    for name in ("embeddings.h5", "umap.png"):
        contents = [(done.files.folder / name).read_bytes() for done in (one, two)]
        assert contents[0] == contents[1]
    # The model keeps to one BLAS thread, so another process gives the same bits.
    assert np.array_equal(one.latent, usual.latent)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("parameters", {"n_factors": 3}),
        ("parameters", {"max_iterations": 10}),
        ("parameters", {"scale_views": False}),
        ("parameters", {"ard_weights": False}),
        ("parameters", {"ard_factors": True}),
        ("parameters", {"spikeslab_weights": False}),
        ("parameters", {"spikeslab_factors": True}),
        ("parameters", {"use_float32": True}),
        ("parameters", {"groups": "batch"}),
        ("preprocessing", {"min_cells": 40}),
        ("preprocessing", {"n_top_genes": 60}),
        ("preprocessing", {"target_sum": 100}),
    ],
)
def test_settings_change_the_result(
    run: Callable[..., Finished], usual: Finished, part: str, change: dict[str, Any]
) -> None:
    changed = run(**{part: change}, batch_key="donor")
    if "n_factors" in change:
        assert changed.latent.shape == (60, 3)
    else:
        assert not np.array_equal(usual.latent, changed.latent)
    assert neighbour_purity(changed.latent[2:], np.arange(58) % 3, k=8) > 0.5


def test_settings_are_passed_on_by_name() -> None:
    parameters = ModelSpec.load(MODELS / "mofa").defaults("parameters")
    changed = {**parameters, "convergence_mode": "slow", "scale_groups": True, "elbo_frequency": 2}
    settings = MofaSettings.from_parameters(changed, seed=0)
    for name, value in changed.items():
        assert name == "groups" or getattr(settings, name) == value
    assert settings.seed == 0


def test_convergence_and_frequency_matter(run: Callable[..., Finished]) -> None:
    more = {"max_iterations": 400, "elbo_frequency": 2}
    fast, slow = (
        run(mode, parameters={**more, "convergence_mode": mode}) for mode in ("fast", "slow")
    )
    assert fast.epochs[1]["epoch"] == 3
    iterations = [done.metrics["model_metrics"]["iterations"] for done in (fast, slow)]
    assert iterations[0] < iterations[1]


def test_a_gpu_that_is_not_there_is_an_error(data: Path, tmp_path: Path) -> None:
    try:
        present = gpu_index("cuda") == 0
    except Exception:
        present = False
    if present:
        pytest.skip("this machine has a GPU and CuPy")
    done = run_here("mofa", data, tmp_path, device="cuda:1")
    assert done.code == 1
    assert "the device cuda:1 was asked for, but" in done.last_line


@pytest.mark.parametrize("scale_groups", [False, True])
def test_a_batch_of_one_cell_spoils_no_figure(tmp_path: Path, scale_groups: bool) -> None:
    """As a group nothing varies in it: mofapy2's own share is -inf or NaN there."""
    whole = simulate(60)
    whole.obs["donor"] = ["b"] + ["a"] * 59
    for part in whole.mod.values():
        part.obs["donor"] = whole.obs["donor"]
    whole.write_h5mu(tmp_path / "data.h5mu")
    parameters = {**SHORT, "groups": "batch", "scale_groups": scale_groups}
    done = run_here(
        "mofa", tmp_path / "data.h5mu", tmp_path / "out", modalities=("rna", "adt"),
        parameters=parameters, batch_key="donor",
    )  # fmt: skip
    assert done.code == 0, done.output
    figures = done.metrics["model_metrics"]
    for name in ("rna", "adt"):
        assert 0.1 < figures[f"explained_variance_{name}"] <= 1
        assert len(done.metrics["history"][f"explained_variance_per_factor_{name}"]) == 5
    assert figures["inactive_factors"] < 5


def test_memory_that_will_not_suffice_is_said_before_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIVERSE_MEMORY", "100000")
    done = run_here("mofa", data, tmp_path)
    assert done.code == 1
    assert "MOFA+ with dense views needs about" in done.last_line
    assert not done.files.epochs.exists()


def small_real_cut() -> MuData:
    """200 cells of both batches, with the batches mixed, 400 genes."""
    source = read_h5mu(shared_dataset("pbmc_citeseq_2batch"))
    cells = np.random.default_rng(0).permutation(source.n_obs)[:200]
    genes = np.argsort(-np.asarray(source["rna"].X.sum(axis=0)).ravel())[:400]
    parts: dict[str, AnnData] = {
        "rna": source["rna"][cells, np.sort(genes)].copy(),
        "adt": source["adt"][cells].copy(),
    }
    cut = MuData(parts)
    cut.obs = parts["rna"].obs.copy()
    return cut


@pytest.mark.data
@pytest.mark.parametrize("groups", ["none", "batch"])
def test_factors_are_those_of_mofapy2(tmp_path: Path, groups: str) -> None:
    """Same data, settings and seed, given to mofapy2 by hand; rows in the order of the input."""
    cut = small_real_cut()
    cut.write_h5mu(tmp_path / "cut.h5mu")
    done = run_here(
        "mofa",
        tmp_path / "cut.h5mu",
        tmp_path / "out",
        parameters={"n_factors": 6, "max_iterations": 40, "groups": groups},
        preprocessing={"n_top_genes": 300},
        modalities=("rna", "adt"),
        batch_key="batch",
        seed=5,
    )
    assert done.code == 0, done.output
    batch = cut.obs["batch"].astype(str).to_numpy(dtype=str)
    names = ["all"] if groups == "none" else sorted(set(batch))
    rows = [np.flatnonzero((batch == name) | (name == "all")) for name in names]
    expected = np.empty((200, 6))
    expected[np.concatenate(rows)] = by_hand(cut, batch, rows)
    np.testing.assert_allclose(done.latent, expected, rtol=1e-3, atol=1e-4)
    labels = cut.obs["cell_type"].astype(str).to_numpy()
    assert neighbour_purity(done.latent, labels) > 0.4


def by_hand(cut: MuData, batch: np.ndarray, rows: list[np.ndarray]) -> np.ndarray:
    from mofapy2.run.entry_point import entry_point

    counts = as_counts(cut["rna"].X)
    counts = counts[:, (counts > 0).sum(axis=0).A1 >= 3]
    genes = variable_genes(counts, 300, batch)
    views = [log_normalise(counts)[:, genes].toarray(), clr(as_counts(cut["adt"].X))]
    with contextlib.redirect_stdout(io.StringIO()):
        model = entry_point()
        model.set_data_options(scale_views=True)
        model.set_data_matrix(
            [[view[part].astype(float) for part in rows] for view in views],
            likelihoods=["gaussian", "gaussian"],
        )
        model.set_model_options(factors=6, ard_factors=len(rows) > 1)
        model.set_train_options(iter=41, seed=5)  # 40 iterations: it counts to 41 exclusively
        model.build()
        model.run()
    return np.asarray(model.model.nodes["Z"].getExpectation())
