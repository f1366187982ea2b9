"""``multiverse.models.cobolt`` as a container runs it: settings, seeds, irregular data, epochs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from mudata import MuData
from scipy.sparse import csr_matrix

from multiverse.contract.paths import MEMORY_VARIABLE
from multiverse.specs.model import ModelSpec
from tests.conftest import shared_dataset
from tests.unit.worker.worker_jobs import (
    MODELS,
    THREADS,
    Finished,
    neighbour_purity,
    run_here,
    simulate,
    write_model_job,
)

SHORT: dict[str, Any] = {"max_epochs": 4, "n_latent": 4, "hidden_dims": [16, 8], "batch_size": 32}
Run = Callable[..., Finished]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.h5mu"
    simulate(90).write_h5mu(path)
    return path


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Run:
    def start(
        name: str = "out", *, parameters: dict[str, Any] | None = None, **more: Any
    ) -> Finished:
        wanted = {**SHORT, **(parameters or {})}
        fields = {"modalities": ("rna", "adt"), "batch_key": "donor", **more}
        done = run_here("cobolt", data, tmp_path / name, parameters=wanted, **fields)
        assert done.code == 0, done.output
        assert done.findings() == []
        return done

    return start


@pytest.fixture(scope="module")
def usual(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("usual")
    fields: dict[str, Any] = {"modalities": ("rna", "adt"), "batch_key": "donor"}
    return run_here("cobolt", data, folder, parameters=SHORT, **fields)


@pytest.mark.parametrize(
    "modalities", [("rna",), ("adt",), ("rna", "atac"), ("rna", "atac", "adt")]
)
def test_combinations_of_modalities(run: Run, modalities: tuple[str, ...]) -> None:
    done = run(modalities=modalities, parameters={"max_epochs": 12, "lr": 0.01})
    assert done.latent.shape == (90, 4)
    assert neighbour_purity(done.latent[2:], np.arange(88) % 3, k=8) > 0.6
    metrics = done.metrics["model_metrics"]
    for name in modalities:
        assert metrics[f"reconstruction_{name}"] > 0
    parts = sum(metrics[f"reconstruction_{name}"] for name in modalities)
    assert metrics["reconstruction"] == pytest.approx(parts)


def test_embedding_and_record(usual: Finished) -> None:
    np.testing.assert_allclose(usual.latent.sum(axis=1), 0, atol=1e-5)
    metrics, settings = usual.metrics["model_metrics"], usual.metrics["settings"]
    # Cells 0 and 1 have no RNA; others may lack counts of the few proteins.
    assert metrics["incomplete_cells"] == metrics["corrected_cells"] >= 2
    assert settings["used"]["correction"] == "gbm"
    assert settings["used"]["features"]["adt"] == 10
    assert usual.metrics["warnings"] == []


def test_epochs_are_reported(usual: Finished) -> None:
    assert [epoch["epoch"] for epoch in usual.epochs] == [1, 2, 3, 4]
    assert {epoch["total"] for epoch in usual.epochs} == {4}
    weights = [epoch["kl_weight"] for epoch in usual.epochs]
    assert weights == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30])
    last, metrics = usual.epochs[-1], usual.metrics["model_metrics"]
    for name in ("loss", "kl", "reconstruction", "reconstruction_rna", "reconstruction_adt"):
        assert last[name] == metrics[name] == usual.metrics["history"][name][-1]
    assert last["loss"] == pytest.approx(last["reconstruction"] + weights[-1] * last["kl"])


def test_epochs_arrive_while_the_model_trains(tmp_path: Path, data: Path) -> None:
    write_model_job("cobolt", tmp_path, {**SHORT, "max_epochs": 99_999}, modalities=("rna",))
    variables = {"MULTIVERSE_INPUT": str(data), "MULTIVERSE_OUTPUT": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "multiverse.models.cobolt"],
        env={**os.environ, **THREADS, **variables},
        stdout=subprocess.DEVNULL,
    )
    try:
        epochs, deadline = tmp_path / "metrics.jsonl", time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if epochs.exists() and epochs.read_text().count("\n") >= 3:
                break
            time.sleep(0.05)
        lines = [json.loads(line) for line in epochs.read_text().splitlines()[:3]]
        assert [line["epoch"] for line in lines] == [1, 2, 3]
        assert not (tmp_path / "embeddings.h5").exists()
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_runs_repeat_bit_for_bit(run: Run, usual: Finished) -> None:
    again = run()
    for name in ("embeddings.h5", "umap.png"):
        contents = [(done.files.folder / name).read_bytes() for done in (usual, again)]
        assert contents[0] == contents[1]
    assert again.metrics["history"] == usual.metrics["history"]


def test_seeds_differ(run: Run, usual: Finished) -> None:
    assert usual.metrics["settings"]["seed"] == 0
    other = run(seed=1)
    assert not np.allclose(other.latent, usual.latent, atol=1e-3)


EFFECTS: list[tuple[str, dict[str, Any]]] = [
    ("parameters", {"n_latent": 3}),
    ("parameters", {"hidden_dims": [16]}),
    ("parameters", {"hidden_dims": [16, 9]}),
    ("parameters", {"alpha": 0.5}),
    ("parameters", {"lr": 0.001}),
    ("parameters", {"batch_size": 16}),
    ("parameters", {"max_epochs": 3}),
    ("parameters", {"annealing_epochs": 2}),
    ("parameters", {"intercept": False}),
    ("parameters", {"slope": False}),
    ("parameters", {"correction": "none"}),
    ("preprocessing", {"min_cells": 40}),
    ("preprocessing", {"n_top_genes": 60}),
    ("preprocessing", {"n_top_peaks": 60}),
    ("preprocessing", {"min_peak_share": 0.5}),
]


@pytest.fixture(scope="module")
def with_peaks(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("peaks")
    fields: dict[str, Any] = {"modalities": ("rna", "atac"), "batch_key": "donor"}
    return run_here("cobolt", data, folder, parameters=SHORT, **fields)


def test_every_setting_is_among_those_changed() -> None:
    spec = ModelSpec.load(MODELS / "cobolt")
    part: Literal["parameters", "preprocessing"]
    for part in ("parameters", "preprocessing"):
        changed = {name for kind, change in EFFECTS if kind == part for name in change}
        assert changed == spec.defaults(part).keys()


@pytest.mark.parametrize(("part", "change"), EFFECTS)
def test_settings_change_the_result(
    run: Run, with_peaks: Finished, part: str, change: dict[str, Any]
) -> None:
    changed = run(**{part: change}, modalities=("rna", "atac"))
    if "n_latent" in change:
        assert changed.latent.shape == (90, 3)
    else:
        assert np.abs(changed.latent - with_peaks.latent).max() > 1e-4
    if part == "preprocessing":
        used = [done.metrics["settings"]["used"]["features"] for done in (changed, with_peaks)]
        assert used[0] != used[1]


def test_all_features_are_kept_on_request(run: Run) -> None:
    every = run(
        preprocessing={"n_top_genes": None, "n_top_peaks": None, "min_cells": 1},
        modalities=("rna", "atac"),
    )
    features = every.metrics["settings"]["used"]["features"]
    assert 115 <= features["rna"] <= 120
    assert 195 <= features["atac"] <= 200


def irregular() -> MuData:
    """A lone cell in a batch, features without counts, 3 proteins, a mosaic, an empty cell."""
    data = simulate(160)
    parts = {name: data[name].copy() for name in data.mod}
    parts["adt"] = parts["adt"][:, :3].copy()
    for name, lacking in (("rna", range(30)), ("atac", range(30, 60)), ("adt", range(0))):
        counts = parts[name].X.tolil()
        counts[list(lacking)] = 0
        counts[159] = 0
        counts[:, [0]] = 0
        parts[name].X = csr_matrix(counts.tocsr())
    made = MuData(parts)
    made.obs = data.obs.copy()
    made.obs["donor"] = ["alone", *made.obs["donor"].iloc[1:]]
    return made


def test_irregular_data(tmp_path: Path) -> None:
    irregular().write_h5mu(tmp_path / "data.h5mu")
    done = run_here(
        "cobolt",
        tmp_path / "data.h5mu",
        tmp_path / "out",
        parameters=SHORT,
        modalities=("rna", "atac", "adt"),
        batch_key="donor",
    )
    assert done.code == 0, done.output
    assert done.findings() == []
    assert done.metrics["settings"]["used"]["features"]["adt"] == 2
    metrics = done.metrics["model_metrics"]
    assert metrics["empty_cells"] == 1
    assert metrics["corrected_cells"] == metrics["incomplete_cells"] >= 60
    np.testing.assert_array_equal(done.latent[159], 0)
    assert any("no counts" in warning for warning in done.metrics["warnings"])


def test_uncorrected_cells_are_warned_of(run: Run) -> None:
    done = run(parameters={"correction": "none"})
    assert done.metrics["settings"]["used"]["correction"] == "none"
    assert "not corrected: it was switched off" in done.metrics["warnings"][0]


def test_without_a_batch_column(run: Run, usual: Finished) -> None:
    alone = run(batch_key=None)
    assert not np.array_equal(alone.latent, usual.latent)


def refused(tmp_path: Path, data: MuData, **more: Any) -> Finished:
    data.write_h5mu(tmp_path / "bad.h5mu")
    fields: dict[str, Any] = {"modalities": ("rna", "adt"), "parameters": SHORT, **more}
    return run_here("cobolt", tmp_path / "bad.h5mu", tmp_path / "out", **fields)


def test_a_modality_that_one_cell_has_is_not_applicable(tmp_path: Path) -> None:
    data = simulate(30)
    counts = data["adt"].X.toarray()
    counts[1:] = 0
    counts[0] += 1
    data["adt"].X = csr_matrix(counts)
    done = refused(tmp_path, data)
    assert done.code == 99
    assert "1 cells have adt counts: at least 2 are needed" in done.last_line


@pytest.mark.parametrize("change", [-1.0, 0.25])
def test_what_is_no_count_is_refused(tmp_path: Path, change: float) -> None:
    data = simulate(30)
    data["rna"].X.data[5] += change - (data["rna"].X.data[5] if change < 0 else 0)
    done = refused(tmp_path, data)
    assert done.code == 1
    assert "whole, non-negative numbers" in done.last_line


def test_divergence_of_the_loss_is_explained(tmp_path: Path) -> None:
    data = simulate(30)
    data["rna"].X.data[:] *= 1e36
    done = refused(tmp_path, data)
    assert done.code == 1
    assert "the loss of epoch 1 is not finite" in done.last_line
    assert "Set a smaller learning rate" in done.last_line


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:3"])
def test_a_gpu_that_is_not_there_is_an_error(tmp_path: Path, data: Path, device: str) -> None:
    done = run_here("cobolt", data, tmp_path / "out", parameters=SHORT, device=device)
    assert done.code == 1
    assert f"the device {device} was asked for" in done.last_line


def test_too_little_memory_is_said_before_training(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 million weights need 256 MB with their gradients and moments, and libraries 400."""
    monkeypatch.setenv(MEMORY_VARIABLE, str(500 * 1024**2))
    wide = {**SHORT, "hidden_dims": [4000, 4000]}
    done = run_here("cobolt", data, tmp_path / "wide", parameters=wide)
    assert done.code == 1
    assert "training Cobolt needs about 0.6 GiB" in done.last_line
    assert not done.files.epochs.exists()
    assert run_here("cobolt", data, tmp_path / "narrow", parameters=SHORT).code == 0


@pytest.mark.data
def test_real_cells_of_a_type_are_neighbours(tmp_path: Path) -> None:
    """A few epochs on 2,872 cells with RNA and 8 proteins, far above chance."""
    import mudata

    path = shared_dataset("pbmc_citeseq_2batch")
    done = run_here(
        "cobolt",
        path,
        tmp_path / "out",
        parameters={"max_epochs": 5, "annealing_epochs": 2},
        preprocessing={"n_top_genes": 500},
        modalities=("rna", "adt"),
        batch_key="batch",
    )
    assert done.code == 0, done.output
    labels = mudata.read_h5mu(path).obs["cell_type"].astype(str).to_numpy()
    random = np.random.default_rng(0).normal(size=done.latent.shape)
    assert neighbour_purity(done.latent, labels) > 0.75 > neighbour_purity(random, labels) + 0.3
