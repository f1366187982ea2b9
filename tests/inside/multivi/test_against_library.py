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
#: More epochs than two: the adversary and the KL weight must have had their effect.
EPOCHS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    return cut_real("mop_snareseq_2k", folder, 300, {"rna": 300, "atac": 600})


@pytest.fixture(scope="module")
def direct(data: Path) -> Any:
    """The documented use: ``setup_mudata``, the class, ``train``, with the library's defaults."""
    counts = read_h5mu(data)
    scvi.settings.seed = SEED
    scvi.settings.num_threads = available_threads()
    scvi.model.MULTIVI.setup_mudata(
        counts, batch_key="batch", modalities={"rna_layer": "rna", "atac_layer": "atac"}
    )
    model = scvi.model.MULTIVI(counts)
    model.train(max_epochs=EPOCHS, accelerator="cpu", enable_progress_bar=False)
    return model


@pytest.fixture(scope="module")
def ours(data: Path, direct: Any, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """After ``direct``, which must not profit from what the worker sets up."""
    folder = tmp_path_factory.mktemp("ours")
    names = ("rna", "atac")
    parameters = {"max_epochs": EPOCHS}
    done = run_here(
        "multivi",
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
