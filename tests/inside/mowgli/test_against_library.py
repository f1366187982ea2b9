"""The same numbers as mowgli's own class called directly, on real cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mowgli.models import MowgliModel

from tests.inside.mowgli.real_cuts import (
    N_TOP,
    SHORT,
    WithLineSearch,
    library_run,
    prepared,
    real_cut,
)
from tests.unit.worker.worker_jobs import Finished, neighbour_purity, run_here

pytestmark = pytest.mark.data
SETS = ["pbmc_citeseq_2batch", "mop_snareseq_2k"]


def run(slug: str, folder: Path, **changed: Any) -> Finished:
    cut = real_cut(slug)
    done = run_here(
        "mowgli",
        cut.write(folder / "cut.h5mu"),
        folder / "out",
        modalities=tuple(cut.data.mod),
        parameters={**SHORT, **changed},
        preprocessing=N_TOP,
        seed=3,
    )
    assert done.code == 0, done.output
    assert done.findings() == []
    return done


@pytest.mark.parametrize("slug", SETS)
def test_lbfgs_is_the_library_with_a_line_search(slug: str, tmp_path: Path) -> None:
    """Bit for bit, though half of the library's evaluations are left out."""
    done = run(slug, tmp_path)
    model = library_run(
        WithLineSearch,
        prepared(real_cut(slug).data),
        seed=3,
        max_iter=2,
        max_iter_inner=25,
        tol_outer=1e-9,
    )
    assert len(model.losses) == 4
    assert np.array_equal(done.latent, model.W.T.numpy())
    assert done.metrics["history"]["loss"] == [float(model.losses[1]), float(model.losses[3])]


@pytest.mark.parametrize(
    ("slug", "optimizer", "lr", "dtype"),
    [
        (SETS[0], "adam", 0.01, "float32"),
        (SETS[1], "adam", 0.005, "float64"),
        (SETS[0], "sgd", 0.5, "float32"),
        (SETS[1], "sgd", 0.5, "float32"),
    ],
)
def test_other_optimisers_are_the_library_unchanged(
    slug: str, optimizer: str, lr: float, dtype: str, tmp_path: Path
) -> None:
    """One outer iteration: later ones the library may refuse, because the loss has risen."""
    done = run(slug, tmp_path, optimizer=optimizer, lr=lr, dtype=dtype, max_iter=1)
    model = library_run(
        MowgliModel,
        prepared(real_cut(slug).data),
        seed=3,
        max_iter=1,
        max_iter_inner=25,
        optim_name=optimizer,
        lr=lr,
        dtype=getattr(torch, dtype),
    )
    assert np.array_equal(done.latent, model.W.T.numpy().astype(np.float32))
    assert done.metrics["history"]["loss"] == [float(model.losses[1])]


@pytest.mark.parametrize("slug", SETS)
def test_parts_of_the_loss_are_those_of_the_library(slug: str, tmp_path: Path) -> None:
    """Transport costs and the entropies of H and W add up to the library's total."""
    from multiverse.models.mowgli.factorisation import Factorisation

    torch.manual_seed(0)
    model = Factorisation(latent_dim=5)
    model.fit(
        prepared(real_cut(slug).data),
        lambda number, loss: None,
        device=torch.device("cpu"),
        dtype=torch.float64,
        max_iter=1,
        max_iter_inner=20,
        tol_inner=1e-5,
        tol_outer=1e-9,
        lr=1.0,
        optim_name="lbfgs",
        normalize_rows=False,
    )
    total = sum(model.transport_loss(name) for name in model.mod)
    total -= model.n_mod * 1e-3 / (model.n_obs * np.log(5)) * negative_entropy(model.W)
    for name in model.mod:
        weight = {"rna": 1e-2, "adt": 1e-2, "atac": 1e-1}[name]
        total -= weight / (5 * np.log(model.n_var[name])) * negative_entropy(model.H[name])
    assert total == pytest.approx(float(model.total_dual_loss()), rel=1e-10)


def negative_entropy(matrix: torch.Tensor) -> float:
    """-Σ x (log x - 1), as the paper writes the entropy."""
    values = matrix.numpy()
    logs = np.log(values, where=values > 0, out=np.zeros_like(values))
    return float(-np.sum(values * (logs - 1)))


@pytest.mark.parametrize("slug", SETS)
def test_neighbours_are_of_the_same_type(slug: str, tmp_path: Path) -> None:
    """Well above the purity of the same embedding with its rows shuffled."""
    done = run(slug, tmp_path, max_iter=3, max_iter_inner=100, latent_dimensions=10)
    labels = real_cut(slug).labels
    purity = neighbour_purity(done.latent, labels, k=10)
    random = np.random.default_rng(0)
    chance = [neighbour_purity(random.permutation(done.latent), labels, k=10) for _ in range(50)]
    # (Eight standard deviations were seen; the last bits of a training depend on the processor.)
    assert purity > max(chance)
    assert purity > np.mean(chance) + 6 * np.std(chance)
    assert purity > 1.5 * np.mean(chance)
