"""``python -m multiverse.models.multivi``: one job, in its container or environment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from multiverse.worker import Embedding, Job, run_model

if TYPE_CHECKING:
    from mudata import MuData


def embed(job: Job, data: MuData) -> Embedding:
    """Return the mean of MultiVI's joint posterior of each cell."""
    from multiverse.models.multivi.training import MultiviSettings, fit, views_of
    from multiverse.worker.scvi_posterior import metrics_of, warn_if_collapsed

    settings = MultiviSettings.from_parameters(job.parameters)
    posterior, progress = fit(views_of(job, data, settings), settings, job)
    collapsed = warn_if_collapsed(job, posterior, progress)
    metrics = {**metrics_of(posterior, progress), "collapsed": int(collapsed)}
    return Embedding(posterior.latent, metrics=metrics)


if __name__ == "__main__":
    sys.exit(run_model(embed, devices=("cpu", "cuda")))
