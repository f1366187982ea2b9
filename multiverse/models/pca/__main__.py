"""``python -m multiverse.models.pca``: one job, in its container or environment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from multiverse import __version__
from multiverse.worker import Embedding, Job, Series, run_model

if TYPE_CHECKING:
    from mudata import MuData

    from multiverse.models.pca.components import Array
    from multiverse.models.pca.joint import Joint


def embed(job: Job, data: MuData) -> Embedding:
    """Return principal components of all modalities together, each with the same weight."""
    from multiverse.models.pca.joint import joint_components
    from multiverse.worker.preprocess import gaussian_views, log_depth

    job.library("multiverse", __version__)
    wanted = int(job.parameters["n_components"])
    views = gaussian_views(job, data)
    depths = {view.name: log_depth(data[view.name].X) for view in views}
    joint = joint_components(
        {view.name: view.values for view in views},
        wanted,
        weighting=job.parameters["weighting"],
        depths=depths,
        drop_depth=bool(job.parameters["drop_depth"]),
    )
    n_components = joint.scores.shape[1]
    if n_components < wanted:
        job.log.info("%d components instead of %d: the data have no more", n_components, wanted)
    metrics: dict[str, float] = {"n_components": n_components}
    for name, share in joint.explained.items():
        job.log.info("%s: %.1f %% of the variance explained", name, 100 * share)
        metrics[f"explained_variance_{name}"] = share
    metrics |= _depth_metrics(job, joint, depths)
    history = {
        f"depth_correlation_per_component_{name}": Series(list(own.correlations), per="component")
        for name, own in joint.own.items()
        if own.correlations.any()
    }
    return Embedding(joint.scores, metrics=metrics, history=history)


def _depth_metrics(job: Job, joint: Joint, depths: dict[str, Array]) -> dict[str, float]:
    """Return the largest correlation of the result with each modality's depth, and warn of it."""
    import numpy as np

    from multiverse.worker.preprocess import FOLLOWS_DEPTH, depth_correlations

    advice = "" if job.parameters["drop_depth"] else "; drop_depth leaves such components out"
    metrics: dict[str, float] = {}
    for name, depth in depths.items():
        dropped = joint.own[name].n_dropped
        metrics[f"dropped_components_{name}"] = dropped
        if dropped:
            job.log.info("%s: %d components that follow its depth left out", name, dropped)
        correlations = depth_correlations(joint.scores, depth)
        if np.isnan(correlations).all():
            continue
        first = int(np.nanargmax(np.abs(correlations)))
        metrics[f"depth_correlation_{name}"] = abs(float(correlations[first]))
        if abs(correlations[first]) > FOLLOWS_DEPTH:
            job.warn(
                f"component {first + 1} follows the sequencing depth of {name} (Spearman's "
                f"correlation {correlations[first]:.2f}): cells may lie together because they are "
                f"equally deep, not because they are alike{advice}"
            )
    return metrics


if __name__ == "__main__":
    sys.exit(run_model(embed))
