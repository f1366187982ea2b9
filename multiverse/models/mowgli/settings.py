"""The hyperparameters of mowgli, checked, under the names of ``model.yaml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Optimizer = Literal["lbfgs", "sgd", "adam"]
Precision = Literal["float32", "float64"]


@dataclass(frozen=True)
class MowgliSettings:
    """Everything that a factorisation depends on, besides data, seed, threads and device.

    ``h_rna``, ``h_atac``, ``h_adt`` and ``w_regularization`` weigh the entropies of the
    dictionaries and of the embedding (the paper's rho), ``eps`` that of the transport.
    """

    latent_dimensions: int
    h_rna: float
    h_atac: float
    h_adt: float
    w_regularization: float
    eps: float
    cost: str
    normalize_rows: bool
    max_iter: int
    max_iter_inner: int
    tol_inner: float
    tol_outer: float
    lr: float
    optimizer: Optimizer
    dtype: Precision

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> MowgliSettings:
        return cls(**parameters)

    @property
    def value_bytes(self) -> int:
        return 4 if self.dtype == "float32" else 8

    def for_class(self, modalities: Sequence[str]) -> dict[str, Any]:
        """Return arguments of the library's class; one regularisation a modality."""
        return {
            "latent_dim": self.latent_dimensions,
            "h_regularization": {name: float(getattr(self, f"h_{name}")) for name in modalities},
            "w_regularization": self.w_regularization,
            "eps": self.eps,
            "cost": self.cost,
        }

    def for_training(self) -> dict[str, Any]:
        """Return arguments of the library's ``train``, except data, device and type."""
        return {
            "max_iter": self.max_iter,
            "max_iter_inner": self.max_iter_inner,
            "tol_inner": self.tol_inner,
            "tol_outer": self.tol_outer,
            "lr": self.lr,
            "optim_name": self.optimizer,
            "normalize_rows": self.normalize_rows,
        }
