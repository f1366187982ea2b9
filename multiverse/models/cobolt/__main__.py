"""``python -m multiverse.models.cobolt``: one job, in its container or environment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from multiverse import __version__
from multiverse.worker import Embedding, Job, run_model

if TYPE_CHECKING:
    from mudata import MuData

    from multiverse.models.cobolt.embedding import Latent
    from multiverse.models.cobolt.training import EpochLosses


def embed(job: Job, data: MuData) -> Embedding:
    """Return the topics that all modalities share, by Cobolt."""
    from multiverse.models.cobolt.counts import CellCounts
    from multiverse.models.cobolt.embedding import embed_cells
    from multiverse.models.cobolt.network import Network
    from multiverse.models.cobolt.settings import CoboltSettings
    from multiverse.models.cobolt.training import fit, needed_bytes
    from multiverse.worker.preprocess import count_views
    from multiverse.worker.torch_device import prepare_torch, require_memory

    job.library("multiverse", __version__)
    settings = CoboltSettings.from_parameters(job.parameters, job.seed)
    device = prepare_torch(job)
    counts = CellCounts.of(count_views(job, data), job.batch, job.measured)
    # Made on the CPU, so that initial values are the same on every device.
    network = Network(counts.n_features, counts.n_batches, settings)
    require_memory(job, device, needed_bytes(network, counts, settings), "training Cobolt")
    network.to(device)
    last = fit(network, counts, settings, lambda epoch: _report(job, epoch, settings.max_epochs))
    latent = embed_cells(network, counts, settings)
    _explain(job, latent)
    return Embedding(latent.values, metrics=_metrics(last, latent))


def _report(job: Job, epoch: EpochLosses, total: int) -> None:
    parts = {f"reconstruction_{name}": value for name, value in epoch.reconstruction.items()}
    job.epoch(
        epoch.number,
        total,
        limit=False,
        loss=epoch.loss,
        kl_weight=epoch.kl_weight,
        kl=epoch.kl,
        reconstruction=sum(parts.values()),
        **parts,
    )


def _explain(job: Job, latent: Latent) -> None:
    """Record what was done to cells that lack a modality, in the log and in ``metrics.json``."""
    job.record(correction=latent.correction)
    if latent.corrected:
        job.log.info("%d cells that lack a modality were corrected", latent.corrected)
    elif latent.incomplete:
        job.warn(
            f"{latent.incomplete} cells lack a modality and were not corrected: "
            + ("it was switched off" if job.parameters["correction"] == "none" else FEW_COMPLETE)
        )
    if latent.empty:
        job.warn(f"{latent.empty} cells have no counts in the features used: they lie at 0")


FEW_COMPLETE = "fewer than 50 cells have all modalities"


def _metrics(last: EpochLosses, latent: Latent) -> dict[str, float]:
    parts = {f"reconstruction_{name}": value for name, value in last.reconstruction.items()}
    return {
        "loss": last.loss,
        "kl": last.kl,
        "reconstruction": sum(parts.values()),
        **parts,
        "corrected_cells": latent.corrected,
        "incomplete_cells": latent.incomplete,
        "empty_cells": latent.empty,
    }


if __name__ == "__main__":
    sys.exit(run_model(embed, devices=("cpu", "cuda"), mosaic=True))
