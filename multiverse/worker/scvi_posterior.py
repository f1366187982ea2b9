"""What a trained model of scvi-tools says about each cell, and whether it says anything at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from multiverse.worker.job import Job
    from multiverse.worker.scvi_training import Progress

#: A dimension is active if its posterior mean varies more than this between cells
#: (Burda, Grosse, Salakhutdinov 2016, arXiv 1509.00519, section 5).
ACTIVE_VARIANCE = 0.01


@dataclass(frozen=True)
class Posterior:
    """The approximate posterior of every cell, in the order of the input.

    ``latent`` (n_cells, n_latent) is the embedding. ``kl`` and ``variance`` (n_latent,) are each
    dimension's divergence from the standard normal prior, in nats, averaged over the cells, and
    the variance of the posterior mean between cells.
    """

    latent: NDArray[np.float32]
    kl: NDArray[np.float64]
    variance: NDArray[np.float64]

    @property
    def active(self) -> int:
        """How many dimensions carry information about the cell."""
        return int((self.variance > ACTIVE_VARIANCE).sum())


def posterior_of(model: Any) -> Posterior:
    """The trained model's embedding, and how far each dimension is from the prior."""
    latent = model.get_latent_representation()
    mean, variance = (
        np.asarray(part, dtype=np.float64)
        for part in model.get_latent_representation(return_dist=True)
    )
    # KL(N(m, v) ‖ N(0, 1)) = (m² + v − log v − 1) / 2, Kingma & Welling 2014, appendix B.
    kl = (mean**2 + variance - np.log(variance) - 1) / 2
    return Posterior(np.asarray(latent), kl.mean(axis=0), mean.var(axis=0))


def warn_if_collapsed(job: Job, posterior: Posterior, progress: Progress) -> bool:
    """Warn of a posterior collapse: the embedding says (nearly) nothing about the cells.

    That is so if no dimension is active, or the whole embedding holds less than 0.1 nat a cell.
    Too few epochs, or too low a learning rate, look the same.
    """
    total = float(posterior.kl.sum())
    collapsed = posterior.active == 0 or total < 0.1
    if collapsed:
        job.warn(
            f"the posterior collapsed to the prior: {posterior.active} of {len(posterior.kl)} "
            f"dimensions are active, the embedding holds {total:.3f} nats a cell (KL), and the "
            f"validation loss fell by {progress.gain:.1%} in {progress.epochs} epochs; cells "
            f"differ by less than the model is unsure of each"
        )
    return collapsed


def metrics_of(posterior: Posterior, progress: Progress) -> dict[str, float]:
    """Numbers about the fit, for the model's metrics."""
    return {
        "epochs": progress.epochs,
        "stopped_early": int(progress.stopped_early),
        "n_train_cells": progress.n_train,
        "n_validation_cells": progress.n_validation,
        "elbo_validation": progress.elbo_validation[-1],
        "elbo_validation_best": min(progress.elbo_validation),
        "elbo_validation_gain": progress.gain,
        "n_latent": len(posterior.kl),
        "active_dimensions": posterior.active,
        "kl_z": float(posterior.kl.sum()),
    }
