"""What mowgli 0.4.0 does wrong on PyTorch 2, and that it is put right."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from mowgli.models import MowgliModel
from mudata import MuData

from multiverse.models.mowgli.evaluations import Evaluations
from multiverse.models.mowgli.factorisation import Factorisation, LossNotFinite
from tests.inside.mowgli.real_cuts import library_run, prepared, real_cut

TRAINING: dict[str, Any] = {
    "max_iter": 3,
    "max_iter_inner": 100,
    "tol_inner": 1e-5,
    "tol_outer": 1e-3,
}


def fit(data: MuData, **changed: Any) -> tuple[Factorisation, list[float]]:
    torch.manual_seed(0)
    model = Factorisation(latent_dim=changed.pop("latent_dim", 6), eps=changed.pop("eps", 5e-2))
    losses: list[float] = []
    wanted = {"lr": 1.0, "optim_name": "lbfgs", "normalize_rows": False, **TRAINING, **changed}
    model.fit(
        data,
        lambda number, loss: losses.append(loss),
        device=torch.device("cpu"),
        dtype=torch.float32,
        **wanted,
    )
    return model, losses


@pytest.fixture(scope="module")
def citeseq() -> MuData:
    return prepared(real_cut("pbmc_citeseq_2batch").data)


@pytest.mark.data
def test_loss_falls_and_is_never_negative(citeseq: MuData) -> None:
    broken = library_run(MowgliModel, citeseq, seed=0, **TRAINING)
    model, losses = fit(citeseq)
    assert min(float(loss) for loss in broken.losses) < 0
    assert min(float(loss) for loss in model.losses) > 0
    assert losses[-1] < losses[0] < float(model.losses[0])
    assert len(losses) == 3 or model.converged


@pytest.mark.data
def test_a_rise_does_not_stop_the_training(citeseq: MuData) -> None:
    """With few inner steps the dual value is still rising; the library gives up there."""
    rising: dict[str, Any] = {"optim_name": "sgd", "lr": 1.0, "max_iter": 6, "max_iter_inner": 30}
    library = library_run(MowgliModel, citeseq, seed=0, tol_outer=1e-3, **rising)
    until = len(library.losses)
    assert until < 12
    assert library.losses[-1] - library.losses[-3] > 1e-3
    model, losses = fit(citeseq, **rising)
    assert len(losses) == 6
    assert [float(loss) for loss in model.losses[:until]] == [
        float(loss) for loss in library.losses
    ]


@pytest.mark.data
def test_training_stops_when_the_loss_rests(citeseq: MuData) -> None:
    model, losses = fit(citeseq, tol_outer=0.05, max_iter=10)
    assert model.converged
    assert 1 < len(losses) < 10
    assert abs(losses[-1] - losses[-2]) < 0.05
    assert all(abs(one - two) >= 0.05 for one, two in pairwise(losses[:-1]))


@pytest.mark.data
def test_fewer_evaluations_than_steps_would_ask_for(citeseq: MuData) -> None:
    model, _ = fit(citeseq, max_iter=1)
    assert model.inner_steps <= 300
    # One at the start of each step, one or more in its line search, one in ten to look.
    assert model.evaluations < 1.5 * model.inner_steps


def test_line_search_has_its_evaluations() -> None:
    model = Factorisation(latent_dim=2)
    dual = torch.zeros(3, requires_grad=True)
    group = model.build_optimizer([dual], 0.5, "lbfgs").param_groups[0]
    assert (group["max_iter"], group["max_eval"], group["lr"]) == (1, 26, 0.5)
    assert isinstance(model.build_optimizer([dual], 0.5, "adam"), torch.optim.Adam)
    assert isinstance(model.build_optimizer([dual], 0.5, "sgd"), torch.optim.SGD)


def test_a_point_is_evaluated_once() -> None:
    dual = torch.tensor([1.0, 2.0], requires_grad=True)
    evaluate = Evaluations(lambda: (dual**2).sum(), [dual])
    first = float(evaluate())
    with torch.no_grad():
        dual += 1
    second = float(evaluate())
    assert float(evaluate()) == second
    assert (first, second, evaluate.computed) == (5.0, 13.0, 2)
    assert dual.grad is not None
    assert dual.grad.tolist() == [4.0, 6.0]


@pytest.mark.data
def test_numbers_out_of_range_are_an_error(citeseq: MuData) -> None:
    """In single precision exp(-1/eps), the smallest value of the kernel, becomes 0."""
    with pytest.raises(LossNotFinite) as caught:
        fit(citeseq, eps=1e-3)
    assert "float64, a larger eps" in str(caught.value.remedy)


def test_the_class_is_the_library_s_own_without_its_plots() -> None:
    """In a new process: nothing of mowgli but two modules is loaded, and no plotting."""
    program = (
        "import sys\n"
        "from multiverse.models.mowgli.factorisation import Factorisation\n"
        "loaded = set(sys.modules)\n"
        "import mowgli\n"
        "base = Factorisation.__mro__[1]\n"
        "print(sorted(loaded & {'scanpy', 'seaborn', 'matplotlib', 'numba', 'mowgli.pl'}))\n"
        "print(base.__module__, base.__name__, mowgli.__version__, hasattr(mowgli, 'pl'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "mowgli.models MowgliModel 0.4.0 True"]


def test_initial_values_and_losses_are_inherited() -> None:
    for name in ("init_parameters", "loss_fn_w", "loss_fn_h", "total_dual_loss"):
        assert getattr(Factorisation, name) is getattr(Factorisation.__mro__[1], name)
    assert np.isfinite(Factorisation(latent_dim=2).eps)
