"""``python -m multiverse.models.mowgli``: one job, in its container or environment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from multiverse.worker import Embedding, Job, run_model

if TYPE_CHECKING:
    from mudata import MuData


def embed(job: Job, data: MuData) -> Embedding:
    """Return Mowgli's embedding of all modalities: the share of each factor in each cell."""
    from multiverse.models.mowgli.memory import bytes_needed
    from multiverse.models.mowgli.settings import MowgliSettings
    from multiverse.worker.preprocess import non_negative_views
    from multiverse.worker.torch_device import prepare_torch, require_memory

    job.library("mowgli")
    settings = MowgliSettings.from_parameters(job.parameters)
    device = prepare_torch(job)

    from multiverse.models.mowgli.training import train, usable_views

    views = usable_views(non_negative_views(job, data), job)
    what = f"mowgli with {settings.dtype} and {settings.optimizer}"
    require_memory(job, device, bytes_needed(views, settings), what)
    if job.batch is not None:
        job.log.info("mowgli has no batch term: the embedding is not corrected for batch")
    fit = train(views, settings, job, device)
    if not fit.converged:
        job.log.info("The loss was still moving after %d outer iterations", fit.iterations)
    job.record(cells_without_counts=dict(fit.unseen))
    return Embedding(
        fit.embedding,
        metrics={
            "loss": fit.loss,
            "iterations": fit.iterations,
            "inner_steps": fit.inner_steps,
            "evaluations": fit.evaluations,
            "converged": int(fit.converged),
            **{f"transport_{name}": cost for name, cost in fit.transport.items()},
        },
    )


if __name__ == "__main__":
    sys.exit(run_model(embed, devices=("cpu", "cuda")))
