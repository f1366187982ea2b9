"""``python -m multiverse.models.pca``: one job, in its container or environment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from multiverse import __version__
from multiverse.worker import Embedding, Job, run_model

if TYPE_CHECKING:
    from mudata import MuData


def embed(job: Job, data: MuData) -> Embedding:
    """Return principal components of all modalities together, each with the same weight."""
    from multiverse.models.pca.joint import joint_components
    from multiverse.worker.preprocess import gaussian_views

    job.library("multiverse", __version__)
    wanted = int(job.parameters["n_components"])
    views = gaussian_views(job, data)
    joint = joint_components(
        {view.name: view.values for view in views},
        wanted,
        balanced=job.parameters["weighting"] == "mfa",
    )
    n_components = joint.scores.shape[1]
    if n_components < wanted:
        job.log.info("%d components instead of %d: the data have no more", n_components, wanted)
    metrics: dict[str, float] = {"n_components": n_components}
    for name, share in joint.explained.items():
        job.log.info("%s: %.1f %% of the variance explained", name, 100 * share)
        metrics[f"explained_variance_{name}"] = share
    return Embedding(joint.scores, metrics=metrics)


if __name__ == "__main__":
    sys.exit(run_model(embed))
