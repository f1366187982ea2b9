"""Mowgli's class with the two repairs that it needs on current PyTorch, and nothing else changed.

Huizing et al. 2023, doi 10.1038/s41467-023-43019-2: every cell's distribution over the features
of a modality (A, features × cells) is approached by dictionaries H (features × factors) times
one embedding W (factors × cells) shared by all modalities, in the sense of entropic optimal
transport. H and W are found in turn, each through its dual problem in the variables G.

What mowgli 0.4.0 does wrong, and what is done here instead:

* It builds LBFGS with ``max_iter=1``. PyTorch sets ``max_eval`` to 1.25 times that, rounded down
  to 1, and one evaluation is spent before the line search starts: none is left for it. The first
  guess of the step is then taken or refused. Here ``max_eval`` is 26, which gives the line
  search the 25 evaluations that PyTorch's default means it to have.
* It stops as soon as the loss has risen over one outer iteration. The loss is a dual value: it
  lies below the transport cost for as long as the inner problem is not solved, and rises while
  that is made up. Here the loop stops once an outer iteration changes the loss by less than
  ``tol_outer``, up or down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from multiverse.errors import MultiverseError
from multiverse.models.mowgli.evaluations import Evaluations
from multiverse.models.mowgli.library import models_module

_library: Any = models_module()
_MowgliModel: Any = _library.MowgliModel
#: One evaluation at the start of a step, and 25 in its line search.
EVALUATIONS_PER_STEP = 26
#: The inner loss is looked at once in so many steps, as in the library.
STEPS_PER_LOOK = 10

#: Called after each outer iteration with its number (from 1) and the loss.
Report = Callable[[int, float], None]


class LossNotFinite(MultiverseError):
    """The optimisation left the range of its numbers."""


class Factorisation(_MowgliModel):
    """``mowgli.models.MowgliModel`` that can be trained with PyTorch 2.

    Losses, initial values, kernels and the updates of W and H are the library's own methods or
    formulas; ``losses`` has the loss after each update of W and after each of H, ``losses_h``
    the inner losses of both, as in the library.
    """

    #: Whether the last training ended because the loss had come to rest.
    converged: bool = False
    #: Inner steps of all phases, and evaluations of the loss in them.
    inner_steps: int = 0
    evaluations: int = 0

    def fit(
        self,
        mdata: Any,
        report: Report,
        *,
        device: torch.device,
        dtype: torch.dtype,
        max_iter: int,
        max_iter_inner: int,
        tol_inner: float,
        tol_outer: float,
        lr: float,
        optim_name: str,
        normalize_rows: bool,
    ) -> None:
        """Find H and W; arguments as those of the library's ``train``.

        ``mdata`` is not written to: results are the attributes ``W`` and ``H``. Raises
        :class:`LossNotFinite`.
        """
        self.init_parameters(mdata, dtype=dtype, device=device, normalize_rows=normalize_rows)
        self.lr, self.optim_name = lr, optim_name
        for number in range(1, max_iter + 1):
            self._solve(self.loss_fn_w, max_iter_inner, tol_inner)
            self.update_w()
            self._solve(self.loss_fn_h, max_iter_inner, tol_inner)
            self.update_h()
            report(number, float(self.losses[-1]))
            if number > 1 and abs(self.losses[-1] - self.losses[-3]) < tol_outer:
                self.converged = True
                return

    def build_optimizer(self, params: Any, lr: float, optim_name: str) -> torch.optim.Optimizer:
        """Return the library's optimiser; LBFGS with evaluations for its line search."""
        optimizer: torch.optim.Optimizer = super().build_optimizer(params, lr, optim_name)
        if optim_name == "lbfgs":
            optimizer.param_groups[0]["max_eval"] = EVALUATIONS_PER_STEP
        return optimizer

    @torch.no_grad()
    def update_w(self) -> None:
        """Compute W from the duals: softmin over the factors of the back-projected duals."""
        projected = sum(self.H[mod].T @ self._weighted(mod) for mod in self.mod)
        scale = math.log(self.latent_dim) / (self.n_mod * self.w_regularization)
        self.W = torch.softmax(-scale * projected, dim=0)
        self._note_loss()

    @torch.no_grad()
    def update_h(self) -> None:
        """Compute every H from the duals: softmin over the features."""
        for mod in self.mod:
            scale = self.latent_dim * math.log(self.n_var[mod])
            scale /= self.n_obs * self.h_regularization[mod]
            self.H[mod] = torch.softmax(-scale * (self._weighted(mod) @ self.W.T), dim=0)
        self._note_loss()

    @torch.no_grad()
    def transport_loss(self, mod: str) -> float:
        """Return a modality's share of the loss: its transport cost by the dual, mean of cells."""
        from_data = _library.utils.ot_dual_loss(
            self.A[mod], self.G[mod], self.K[mod], self.eps, self.mod_weight[mod]
        )
        to_model = torch.sum((self.H[mod] @ self.W) * self._weighted(mod))
        return float((to_model - from_data) / self.n_obs)

    def _weighted(self, mod: str) -> Tensor:
        weighted: Tensor = self.mod_weight[mod] * self.G[mod].detach()
        return weighted

    def _note_loss(self) -> None:
        self.losses.append(self.total_dual_loss().detach().cpu())
        _require_finite(self.losses[-1])

    def _solve(self, loss: Callable[[], Tensor], max_steps: int, tolerance: float) -> None:
        """Move the duals until ten steps change the inner loss by less than ``tolerance``."""
        duals = list(self.G.values())
        optimizer = self.build_optimizer(duals, self.lr, self.optim_name)
        evaluate = Evaluations(loss, duals)
        for step in range(max_steps):
            optimizer.step(evaluate)
            self.inner_steps += 1
            if step % STEPS_PER_LOOK == 0:
                self.losses_h.append(evaluate().cpu())
                _require_finite(self.losses_h[-1])
                if _has_settled(self.losses_h, tolerance):
                    break
        self.evaluations += evaluate.computed


def _has_settled(losses: Sequence[Tensor], tolerance: float) -> bool:
    """Apply the library's inner rule: three losses are there, and the last two nearly equal."""
    return len(losses) > 2 and bool(abs(losses[-1] - losses[-2]) < tolerance)


def _require_finite(loss: Tensor) -> None:
    if not torch.isfinite(loss):
        raise LossNotFinite(
            "mowgli's loss is no longer a finite number",
            remedy="Use dtype float64, a larger eps, or another optimizer or lr.",
        )
