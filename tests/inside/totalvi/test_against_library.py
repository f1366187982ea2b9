"""The model's embedding is what scvi-tools gives when called as its documentation shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scvi
from mudata import read_h5mu
from numpy.typing import NDArray

from multiverse.worker.job import available_threads
from tests.inside.multivi.cut import cut_real
from tests.unit.worker.worker_jobs import Finished, run_here

SEED = 3
#: More epochs than two: the weight of the KL divergence must have had its effect.
EPOCHS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    return cut_real("pbmc_citeseq_2batch", folder, 300, {"rna": 300, "adt": 8})


@pytest.fixture(scope="module")
def direct(data: Path) -> Any:
    """The documented use: ``setup_mudata``, the class, ``train``, with the library's defaults."""
    return train_directly(data, max_epochs=EPOCHS)


def train_directly(data: Path, **options: Any) -> Any:
    counts = read_h5mu(data)
    counts["adt"].X = counts["adt"].X.toarray()  # CSR proteins fail in the library
    scvi.settings.seed = SEED
    scvi.settings.num_threads = available_threads()
    scvi.model.TOTALVI.setup_mudata(
        counts, batch_key="batch", modalities={"rna_layer": "rna", "protein_layer": "adt"}
    )
    model = scvi.model.TOTALVI(counts)
    model.train(accelerator="cpu", enable_progress_bar=False, **options)
    return model


@pytest.fixture(scope="module")
def ours(data: Path, direct: Any, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """After ``direct``, which must not profit from what the worker sets up."""
    folder = tmp_path_factory.mktemp("ours")
    names = ("rna", "adt")
    parameters = {"max_epochs": EPOCHS}
    done = run_here(
        "totalvi",
        data,
        folder,
        modalities=names,
        parameters=parameters,
        batch_key="batch",
        seed=SEED,
    )
    assert done.code == 0, done.output
    return done


@pytest.mark.data
def test_the_embedding_is_the_library_s(ours: Finished, direct: Any) -> None:
    expected: NDArray[np.float32] = direct.get_latent_representation()
    assert ours.latent.shape == expected.shape
    np.testing.assert_allclose(ours.latent, expected, rtol=0, atol=1e-6)
    assert expected.std() > 0.05


@pytest.mark.data
@pytest.mark.parametrize("name", ["elbo", "reconstruction_loss", "kl_local"])
def test_the_reported_losses_are_the_library_s(ours: Finished, direct: Any, name: str) -> None:
    for part in ("train", "validation"):
        expected = direct.history[f"{name}_{part}"].to_numpy(dtype=float).ravel()
        reported = [epoch[f"{name}_{part}"] for epoch in ours.epochs]
        np.testing.assert_allclose(reported, expected, rtol=1e-6)
    assert [epoch["epoch"] for epoch in ours.epochs] == list(range(1, EPOCHS + 1))


@pytest.mark.data
def test_divergence_is_the_library_s(ours: Finished, direct: Any) -> None:
    """Against torch's own formula for two Gaussians."""
    import torch
    from torch.distributions import Normal, kl_divergence

    mean, variance = direct.get_latent_representation(return_dist=True)
    posterior = Normal(torch.tensor(mean), torch.tensor(variance).sqrt())
    expected = float(kl_divergence(posterior, Normal(0.0, 1.0)).sum(dim=1).mean())
    assert ours.metrics["model_metrics"]["kl_z"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.data
def test_training_stops_early_where_the_library_does(data: Path, tmp_path: Path) -> None:
    impatient = {"early_stopping_patience": 1, "max_epochs": 60, "lr": 0.01}
    expected = train_directly(data, **impatient)
    n_epochs = len(expected.history["elbo_validation"])
    assert n_epochs < 60
    done = run_here(
        "totalvi",
        data,
        tmp_path,
        modalities=("rna", "adt"),
        parameters=impatient,
        batch_key="batch",
        seed=SEED,
    )
    assert done.metrics["model_metrics"]["epochs"] == n_epochs
    assert done.metrics["model_metrics"]["stopped_early"] == 1
    np.testing.assert_allclose(done.latent, expected.get_latent_representation(), rtol=0, atol=1e-6)
