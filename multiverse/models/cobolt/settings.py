"""The settings of a fit, under the names of ``model.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from multiverse.errors import UsageError


@dataclass(frozen=True)
class CoboltSettings:
    """Everything but the data that a fit depends on. ``alpha`` None is 50 / ``n_latent``."""

    n_latent: int = 10
    hidden_dims: tuple[int, ...] = (128, 64)
    alpha: float | None = None
    lr: float = 0.005
    batch_size: int = 128
    max_epochs: int = 100
    annealing_epochs: int = 30
    intercept: bool = True
    slope: bool = True
    correction: Literal["gbm", "none"] = "gbm"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise :class:`UsageError` for one topic: its proportion is always 1."""
        if self.n_latent < 2:
            raise UsageError(
                f"n_latent is {self.n_latent}, but one topic says nothing about a cell",
                remedy="Ask for at least 2 topics.",
            )

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any], seed: int) -> CoboltSettings:
        hidden = tuple(int(width) for width in parameters["hidden_dims"])
        return cls(**{**parameters, "hidden_dims": hidden}, seed=seed)

    @property
    def concentration(self) -> float:
        """Return the symmetric Dirichlet parameter in use."""
        return 50 / self.n_latent if self.alpha is None else self.alpha

    def kl_weight(self, epoch: int) -> float:
        """Return λ of epoch 0, 1, 2, …: from 0 to 1 in ``annealing_epochs`` equal steps, then 1."""
        return 1.0 if self.annealing_epochs == 0 else min(1.0, epoch / self.annealing_epochs)
