"""totalVI in its own environment: settings, seeds, odd data, what is reported."""

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
SHORT = {"max_epochs": 3}
#: For every declared parameter another value, whose effect three epochs show.
CHANGES: list[dict[str, Any]] = [
    {"n_latent": 5},
    {"latent_distribution": "ln"},
    {"n_hidden": 20},
    {"n_layers_encoder": 1},
    {"n_layers_decoder": 2},
    {"dropout_rate_encoder": 0.5},
    {"dropout_rate_decoder": 0.5},
    {"gene_likelihood": "zinb"},
    {"gene_dispersion": "gene-batch"},
    {"empirical_protein_background_prior": True},
    {"max_epochs": 2},
    {"lr": 0.0005},
    {"batch_size": 20},
    {"n_epochs_kl_warmup": 2},
]
#: Tested on their own.
ELSEWHERE = {
    "early_stopping",
    "early_stopping_patience",
    "reduce_lr_on_plateau",
    "override_missing_proteins",
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def start(data: MuData | None = None, name: str = "out", **fields: Any) -> Finished:
        path = tmp_path / f"{name}.h5mu"
        (simulate(60) if data is None else data).write_h5mu(path)
        fields["parameters"] = {**SHORT, **fields.get("parameters", {})}
        given = {"modalities": ("rna", "adt"), "batch_key": "donor", **fields}
        return run_here("totalvi", path, tmp_path / name, **given)

    return start


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run in a process of its own."""
    folder = tmp_path_factory.mktemp("usual")
    simulate(60).write_h5mu(folder / "data.h5mu")
    done = run_builtin(
        "totalvi",
        folder / "data.h5mu",
        folder / "out",
        modalities=("rna", "adt"),
        batch_key="donor",
        parameters=SHORT,
    )
    assert (done.code, done.findings()) == (0, []), done.output
    return done


def test_what_a_run_leaves(usual: Finished) -> None:
    assert usual.latent.shape == (60, 20)
    assert len(list(usual.files.folder.iterdir())) == 6
    used = usual.metrics["settings"]["used"]
    assert used["features"] == {"rna": 119, "adt": 10}
    assert used["unmeasured_proteins"] == {}
    # Nothing of the library's chatter, and no warning that is none.
    noise = ("Seed set", "GPU available", "Warning", "WARNING", "deprecated", "Epoch", "litlogger")
    lines = [line for line in usual.log.splitlines() if "the posterior collapsed" not in line]
    assert not [line for line in lines if any(word in line for word in noise)]


def test_every_epoch_is_reported(usual: Finished) -> None:
    assert [(epoch["epoch"], epoch["total"]) for epoch in usual.epochs] == [(1, 3), (2, 3), (3, 3)]
    # The weight grows over 0.75 × 60 training steps, of which an epoch is one.
    assert [epoch["kl_weight"] for epoch in usual.epochs] == pytest.approx([1 / 45, 2 / 45, 3 / 45])
    for epoch in usual.epochs:
        whole = epoch["reconstruction_loss_train"] + epoch["kl_local_train"]
        assert epoch["elbo_train"] == pytest.approx(whole, rel=1e-5)
        assert epoch["elbo_validation"] > 0


def test_runs_repeat_and_the_seed_matters(usual: Finished, run: Run) -> None:
    one, two, other = run(name="1"), run(name="2"), run(name="3", seed=1)
    assert np.array_equal(one.latent, two.latent)
    assert not np.array_equal(one.latent, other.latent)
    # Another process changes nothing; threads are the same two.
    np.testing.assert_allclose(usual.latent, one.latent, atol=1e-5)


def test_every_parameter_has_a_changed_value_here() -> None:
    declared = set(ModelSpec.load(MODELS / "totalvi").defaults("parameters"))
    tried = {name for change in CHANGES for name in change}
    assert tried == declared - ELSEWHERE


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_parameters_change_the_result(usual: Finished, run: Run, change: dict[str, Any]) -> None:
    changed = run(parameters=change)
    assert changed.code == 0, changed.output
    if "n_latent" in change:
        assert changed.latent.shape == (60, 5)
    elif "max_epochs" in change:
        assert len(changed.epochs) == 2
    else:
        same = changed.latent.shape == usual.latent.shape
        assert not same or np.abs(changed.latent - usual.latent).max() > 1e-4


def test_early_stopping_and_its_patience(run: Run) -> None:
    rates = {"lr": 0.01, "max_epochs": 40, "early_stopping_patience": 1}
    stopped = run(name="stopped", parameters=rates).metrics["model_metrics"]
    assert stopped["stopped_early"] == 1
    n_more = run(name="patient", parameters={**rates, "early_stopping_patience": 8})
    assert n_more.metrics["model_metrics"]["epochs"] > stopped["epochs"]
    whole = run(name="whole", parameters={**rates, "early_stopping": False})
    assert whole.metrics["model_metrics"]["epochs"] == 40


@pytest.mark.parametrize("change", [{"n_top_genes": 40}, {"min_cells": 40}])
def test_preprocessing_changes_the_genes_and_never_the_proteins(
    run: Run, change: dict[str, Any]
) -> None:
    features = run(preprocessing=change).metrics["settings"]["used"]["features"]
    assert features["rna"] < 119
    assert features["adt"] == 10


def test_the_learning_rate_falls_on_a_plateau(run: Run) -> None:
    """The library waits for 30 epochs without a better loss."""
    flat = {"lr": 1e-9, "max_epochs": 36, "early_stopping": False}
    falling = run(name="falling", parameters=flat)
    rates = [epoch["lr"] for epoch in falling.epochs]
    fixed = run(name="fixed", parameters={**flat, "reduce_lr_on_plateau": False})
    assert {epoch["lr"] for epoch in fixed.epochs} == {1e-9}
    assert rates[0] == 1e-9
    assert min(rates) >= 0.6e-9 * 0.99
    assert rates == sorted(rates, reverse=True)


def emptied() -> MuData:
    """Features and a cell empty everywhere, a batch without ADT, a batch of one cell."""
    data = simulate(61)
    donors = data.obs["donor"].astype(str).to_numpy()
    donors[5] = "alone"
    data.obs["donor"] = donors
    for name in data.mod:
        counts = csr_matrix(data[name].X).toarray()
        counts[:, :3] = 0
        counts[7] = 0
        if name == "adt":
            counts[donors == "d1"] = 0
        data[name].X = csr_matrix(counts)
        data[name].obs["donor"] = donors
    return data


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"batch_key": None},
        {"parameters": {"batch_size": 18}},
        {"parameters": {"empirical_protein_background_prior": True}},
    ],
    ids=str,
)
def test_irregular_data(run: Run, more: dict[str, Any]) -> None:
    """61 cells leave 55 for training: with minibatches of 18 the last would hold one cell."""
    done = run(emptied(), **more)
    assert (done.code, done.findings()) == (0, []), done.output
    assert len(done.latent) == 61


def test_three_proteins(run: Run) -> None:
    data = simulate(60, ("rna", "adt"))
    few = MuData({"rna": data["rna"], "adt": data["adt"][:, :3].copy()})
    few.obs = data.obs.copy()
    assert run(few, name="usual").code == 0
    prior = run(few, name="prior", parameters={"empirical_protein_background_prior": True})
    assert prior.code == 0


def test_panels_that_differ(run: Run) -> None:
    """Zeros throughout a batch are not measured, or zeros, as the user says."""
    data = simulate(60, ("rna", "adt"))
    counts = csr_matrix(data["adt"].X).toarray()
    counts[(data.obs["donor"] == "d1").to_numpy(), :4] = 0
    data["adt"].X = csr_matrix(counts)
    missing = run(data, name="missing")
    zero = run(data, name="zero", parameters={"override_missing_proteins": True})
    for done in (missing, zero):
        lacking = done.metrics["settings"]["used"]["unmeasured_proteins"]
        assert lacking == {"d1": ["adt0", "adt1", "adt2", "adt3"]}
    assert not np.array_equal(missing.latent, zero.latent)
    warning = missing.metrics["warnings"][0]
    assert "4 of 10 proteins have no count (adt0, adt1, adt2, adt3)" in warning
    assert "UserWarning" not in missing.log


def test_divergence_is_an_error_that_says_what_to_do(run: Run) -> None:
    done = run(parameters={"lr": 1.0, "max_epochs": 60})
    assert done.code == 1
    assert "TrainingDiverged: training diverged in epoch" in done.last_line
    assert "Lower the learning rate" in done.last_line


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
    assert "training on 60 cells with 129 features needs about" in done.last_line
    assert not done.files.epochs.exists()


def test_a_gpu_that_is_not_there_is_an_error(run: Run) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = run(device="cuda")
    assert done.code == 1
    assert "the device cuda was asked for" in done.last_line


def test_arguments_arrive_in_the_library(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes no number in a short run is seen where the library gets it."""
    seen: dict[str, Any] = {}
    train = scvi.model.TOTALVI.train

    def listening(model: Any, **arguments: Any) -> Any:
        seen.update(arguments)
        return train(model, **arguments)

    monkeypatch.setattr(scvi.model.TOTALVI, "train", listening)
    done = run(parameters={"early_stopping_patience": 7, "reduce_lr_on_plateau": False})
    assert done.code == 0
    (stop,) = [callback for callback in seen["callbacks"] if hasattr(callback, "patience")]
    assert (stop.patience, stop.monitor) == (7, "elbo_validation")
    assert (seen["reduce_lr_on_plateau"], seen["deterministic"]) == (False, True)
