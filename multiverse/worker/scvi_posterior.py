"""The posterior of a trained model of scvi-tools: of each cell, and how much it says at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from multiverse.worker.job import Job
    from multiverse.worker.scvi_training import TrainingSummary

#: A dimension is active if its posterior mean varies more than this between cells
#: (Burda, Grosse, Salakhutdinov 2016, arXiv 1509.00519, section 5).
ACTIVE_VARIANCE = 0.01
#: What tells two equally frequent kinds of cells apart, in nats.
TWO_KINDS = math.log(2)


@dataclass(frozen=True)
class Posterior:
    """The approximate posterior of every cell, in the order of the input.

    ``latent`` (n_cells, n_latent) is the embedding. For each dimension (n_latent,), in nats:
    ``kl`` is its divergence from the standard normal prior, averaged over the cells, and
    ``information`` the most that it can tell about which cell it belongs to. ``variance`` is that
    of the posterior mean between cells.
    """

    latent: NDArray[np.float32]
    kl: NDArray[np.float64]
    information: NDArray[np.float64]
    variance: NDArray[np.float64]

    @property
    def active(self) -> int:
        """Return the number of dimensions that carry information about the cell."""
        return int((self.variance > ACTIVE_VARIANCE).sum())

    @classmethod
    def of_gaussians(cls, latent: Any, mean: Any, variance: Any) -> Posterior:
        """Make it from mean and variance (n_cells, n_latent) of each cell's independent Gaussians.

        KL(N(m, v) ‖ N(0, 1)) = (m² + v − log v − 1) / 2 (Kingma & Welling 2014, appendix B).
        The information is H(z) − H(z | cell), and H(z) is at most that of a Gaussian with the
        variance of z over all cells (Cover & Thomas 2006, theorem 8.6.5): hence at most
        log(Var m + E v) / 2 − E[log v] / 2.
        """
        m, v = np.asarray(mean, dtype=np.float64), np.asarray(variance, dtype=np.float64)
        kl = (m**2 + v - np.log(v) - 1) / 2
        spread = m.var(axis=0)
        information = (np.log(spread + v.mean(axis=0)) - np.log(v).mean(axis=0)) / 2
        return cls(np.asarray(latent), kl.mean(axis=0), information, spread)


def posterior_of(model: Any) -> Posterior:
    """Return the trained model's embedding, and how much it says."""
    latent = model.get_latent_representation()
    return Posterior.of_gaussians(latent, *model.get_latent_representation(return_dist=True))


def warn_if_collapsed(job: Job, posterior: Posterior, progress: TrainingSummary) -> bool:
    """Warn of a posterior collapse: the embedding says (nearly) nothing about the cells.

    That is so if it holds too little information to tell two equally frequent kinds of cells
    apart. Too few epochs, or too low a learning rate, look the same. The validation loss may fall
    a lot all the same, because the decoders learn the mean of every feature.
    """
    told = float(posterior.information.sum())
    collapsed = not told >= TWO_KINDS  # also where it is no number
    if collapsed:
        job.warn(
            f"the posterior collapsed: the embedding tells at most {told:.2f} nats about a cell "
            f"(two kinds of cells take {TWO_KINDS:.2f}), {posterior.active} of "
            f"{len(posterior.kl)} dimensions are active, the KL divergence is "
            f"{posterior.kl.sum():.2f} nats and the validation loss fell by {progress.gain:.1%} in "
            f"{progress.epochs} epochs. More epochs or a higher learning rate may help; on weak "
            "data nothing does."
        )
    return collapsed


def metrics_of(posterior: Posterior, progress: TrainingSummary) -> dict[str, float]:
    """Return numbers about the fit, for the model's metrics."""
    return {
        "epochs": progress.epochs,
        "stopped_early": int(progress.stopped_early),
        "n_train_cells": progress.n_train,
        "n_validation_cells": progress.n_validation,
        "elbo_validation": progress.elbo_validation[-1],
        "elbo_validation_best": min(
            filter(math.isfinite, progress.elbo_validation), default=math.nan
        ),
        "elbo_validation_gain": progress.gain,
        "n_latent": len(posterior.kl),
        "active_dimensions": posterior.active,
        "kl_z": float(posterior.kl.sum()),
        "information": float(posterior.information.sum()),
    }
