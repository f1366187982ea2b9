"""``python -m multiverse.models.mofa``: one job, in its container or environment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from multiverse.worker import Embedding, Job, Series, run_model

if TYPE_CHECKING:
    import numpy as np
    from mudata import MuData
    from numpy.typing import NDArray


def embed(job: Job, data: MuData) -> Embedding:
    """Return MOFA+ factors of all modalities, each as a Gaussian view."""
    from multiverse.models.mofa.device import gpu_index
    from multiverse.models.mofa.training import MofaSettings, memory_bytes, train
    from multiverse.worker.preprocess import gaussian_views

    job.library("mofapy2")
    settings = MofaSettings.from_parameters(job.parameters, job.seed, gpu_index(job.device))
    views = gaussian_views(job, data)
    job.require_memory(memory_bytes(views, settings), "MOFA+ with dense views")
    fit = train(views, _groups(job), settings, job)
    inactive = fit.inactive()
    if inactive:
        job.log.info("%d of %d factors are inactive", len(inactive), settings.n_factors)
    metrics: dict[str, float] = {
        "elbo": fit.elbo,
        "iterations": fit.iterations,
        "converged": int(fit.converged),
        "n_factors": settings.n_factors,
        "inactive_factors": len(inactive),
        "groups": fit.n_groups,
    }
    for name, share in fit.explained.items():
        job.log.info("%s: %.1f %% of the variance explained", name, 100 * share)
        metrics[f"explained_variance_{name}"] = share
    history = {
        f"explained_variance_per_factor_{name}": Series(list(shares), per="factor")
        for name, shares in fit.explained_per_factor.items()
    }
    history["elbo"] = Series(list(fit.bounds.values()), per="iteration", at=list(fit.bounds))
    return Embedding(fit.factors, metrics=metrics, history=history)


def _groups(job: Job) -> NDArray[np.str_] | None:
    """Return the group of every cell, if the job wants MOFA's model of several groups."""
    if job.parameters["groups"] == "none":
        return None
    if job.batch is None:
        job.log.warning("groups: batch has no effect, because the dataset has no batch column")
        return None
    job.log.info("One MOFA group a batch. This does not correct the factors for batch.")
    return job.batch


if __name__ == "__main__":
    sys.exit(run_model(embed, devices=("cpu", "cuda")))
