"""MultiVI in its own environment: settings, seeds, odd data, what is reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scvi
from mudata import MuData
from scipy.sparse import csr_matrix

from multiverse.contract.paths import MEMORY_VARIABLE
from multiverse.specs.model import ModelSpec
from tests.unit.worker.worker_jobs import MODELS, Finished, run_builtin, run_here, simulate

Run = Callable[..., Finished]
#: At the default learning rate three steps would hardly show.
SHORT = {"max_epochs": 3, "lr": 0.003}
#: For every declared parameter another value, whose effect three epochs show.
CHANGES: list[dict[str, Any]] = [
    {"n_latent": 5},
    {"n_hidden": 20},
    {"n_layers_encoder": 1},
    {"n_layers_decoder": 1},
    {"dropout_rate": 0.5},
    {"gene_likelihood": "nb"},
    {"gene_likelihood": "poisson"},
    {"region_factors": False},
    {"modality_weights": "universal"},
    {"modality_weights": "cell"},
    {"modality_penalty": "MMD"},
    {"modality_penalty": "None"},
    {"encode_covariates": True},
    {"use_adt": True},
    {"max_epochs": 2},
    {"lr": 0.0001},
    {"weight_decay": 0.9},
    {"batch_size": 20},
    {"n_epochs_kl_warmup": 0},
    {"adversarial_mixing": False},
]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def start(data: MuData | None = None, name: str = "out", **fields: Any) -> Finished:
        path = tmp_path / f"{name}.h5mu"
        (simulate(60) if data is None else data).write_h5mu(path)
        fields["parameters"] = {**SHORT, **fields.get("parameters", {})}
        given = {"modalities": ("rna", "atac"), "batch_key": "donor", **fields}
        return run_here("multivi", path, tmp_path / name, **given)

    return start


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run with all three modalities in a process of its own, from an empty folder."""
    folder = tmp_path_factory.mktemp("usual")
    simulate(60).write_h5mu(folder / "data.h5mu")
    names = ("rna", "atac", "adt")
    done = run_builtin(
        "multivi",
        folder / "data.h5mu",
        folder / "out",
        modalities=names,
        batch_key="donor",
        parameters=SHORT,
    )
    assert (done.code, done.findings()) == (0, []), done.output
    return done


def test_what_a_run_leaves(usual: Finished) -> None:
    assert usual.latent.shape == (60, 3)
    assert len(list(usual.files.folder.iterdir())) == 6
    used = usual.metrics["settings"]["used"]
    assert (used["modalities"], used["n_hidden"]) == (["rna", "atac"], 14)
    assert "adt is not used" in usual.log
    # Nothing of the library's chatter, and no warning that is none.
    noise = ("Seed set", "GPU available", "Warning", "WARNING", "deprecated", "Epoch", "litlogger")
    lines = [line for line in usual.log.splitlines() if "the posterior collapsed" not in line]
    assert not [line for line in lines if any(word in line for word in noise)]


def test_every_epoch_is_reported(usual: Finished) -> None:
    assert [(epoch["epoch"], epoch["total"]) for epoch in usual.epochs] == [(1, 3), (2, 3), (3, 3)]
    assert [epoch["kl_weight"] for epoch in usual.epochs] == pytest.approx([0, 0.02, 0.04])
    for epoch in usual.epochs:
        whole = epoch["reconstruction_loss_train"] + epoch["kl_local_train"]
        assert epoch["elbo_train"] == pytest.approx(whole, rel=1e-5)
        assert epoch["elbo_validation"] > 0


def test_runs_repeat_and_the_seed_matters(usual: Finished, run: Run) -> None:
    one, two, other = run(name="1"), run(name="2"), run(name="3", seed=1)
    assert np.array_equal(one.latent, two.latent)
    assert not np.array_equal(one.latent, other.latent)
    # Another process, and a modality that is not used, change nothing; threads are the same two.
    np.testing.assert_allclose(usual.latent, one.latent, atol=1e-5)


def test_every_parameter_has_a_changed_value_here() -> None:
    declared = set(ModelSpec.load(MODELS / "multivi").defaults("parameters"))
    tried = {name for change in CHANGES for name in change}
    assert tried == declared - {"early_stopping", "early_stopping_patience"}


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_parameters_change_the_result(usual: Finished, run: Run, change: dict[str, Any]) -> None:
    changed = run(modalities=("rna", "atac", "adt"), parameters=change)
    assert changed.code == 0, changed.output
    if "n_latent" in change:
        assert changed.latent.shape == (60, 5)
    elif "max_epochs" in change:
        assert len(changed.epochs) == 2
    else:
        same = changed.latent.shape == usual.latent.shape
        assert not same or np.abs(changed.latent - usual.latent).max() > 1e-4


def test_early_stopping_and_its_patience(run: Run) -> None:
    rates = {"lr": 0.05, "max_epochs": 40, "early_stopping_patience": 1}
    stopped = run(name="stopped", parameters=rates).metrics["model_metrics"]
    assert stopped["stopped_early"] == 1
    n_more = run(name="patient", parameters={**rates, "early_stopping_patience": 8})
    assert n_more.metrics["model_metrics"]["epochs"] > stopped["epochs"]
    whole = run(name="whole", parameters={**rates, "early_stopping": False})
    assert whole.metrics["model_metrics"]["epochs"] == 40


@pytest.mark.parametrize(
    ("change", "feature"),
    [
        ({"n_top_peaks": 50}, ("atac", 50)),
        ({"n_top_genes": 40}, ("rna", 40)),
        ({"min_peak_share": 0.6}, ("atac", None)),
        ({"min_cells": 35}, ("rna", None)),
    ],
)
def test_preprocessing_changes_the_features(
    usual: Finished, run: Run, change: dict[str, Any], feature: tuple[str, int | None]
) -> None:
    changed = run(preprocessing=change)
    name, expected = feature
    used = changed.metrics["settings"]["used"]["features"][name]
    before = usual.metrics["settings"]["used"]["features"][name]
    assert used < before if expected is None else used == expected


def emptied() -> MuData:
    """Features and a cell empty everywhere, a batch without ATAC, a batch of one cell."""
    data = simulate(61)
    donors = data.obs["donor"].astype(str).to_numpy()
    donors[5] = "alone"
    data.obs["donor"] = donors
    for name in data.mod:
        counts = csr_matrix(data[name].X).toarray()
        counts[:, :3] = 0
        counts[7] = 0
        if name == "atac":
            counts[donors == "d1"] = 0
        data[name].X = csr_matrix(counts)
        data[name].obs["donor"] = donors
    return data


@pytest.mark.parametrize("more", [{}, {"batch_key": None}, {"parameters": {"batch_size": 18}}])
def test_irregular_data(run: Run, more: dict[str, Any]) -> None:
    """61 cells leave 55 for training: with minibatches of 18 the last would hold one cell."""
    done = run(emptied(), **more)
    assert (done.code, done.findings()) == (0, []), done.output
    assert len(done.latent) == 61


def test_ten_cells_are_enough_and_nine_are_not(run: Run) -> None:
    assert run(simulate(10), name="ten").code == 0
    done = run(simulate(9), name="nine")
    assert done.code == 99
    assert "these data have 9" in done.files.reason.read_text()


def test_memory_that_will_not_suffice_is_said_before_training(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, str(300 * 1024**2))
    done = run()
    assert done.code == 1
    assert "training on 60 cells with 319 features needs about" in done.last_line
    assert not done.files.epochs.exists()


def test_a_gpu_that_is_not_there_is_an_error(run: Run) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = run(device="cuda")
    assert done.code == 1
    assert "the device cuda was asked for" in done.last_line


def test_a_collapsed_posterior_is_warned_of(run: Run) -> None:
    """So weak a learning rate learns nothing; so narrow a network can't."""
    done = run(parameters={"n_hidden": 1, "lr": 1e-6})
    assert done.metrics["model_metrics"]["collapsed"] == 1
    (warning,) = done.metrics["warnings"]
    assert "the posterior collapsed: the embedding tells at most 0.0" in warning
    assert "0 of 1 dimensions are active" in warning
    assert warning in done.log


def test_arguments_arrive_in_the_library(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes no number in a short run is seen where the library gets it."""
    seen: dict[str, Any] = {}
    train = scvi.model.MULTIVI.train

    def listening(model: Any, **arguments: Any) -> Any:
        seen.update(arguments)
        return train(model, **arguments)

    monkeypatch.setattr(scvi.model.MULTIVI, "train", listening)
    done = run(parameters={"early_stopping_patience": 7, "weight_decay": 0.5})
    assert done.code == 0
    (stop,) = [callback for callback in seen["callbacks"] if hasattr(callback, "patience")]
    assert (stop.patience, stop.monitor) == (7, "reconstruction_loss_validation")
    assert (seen["weight_decay"], seen["deterministic"], seen["benchmark"]) == (0.5, True, False)
