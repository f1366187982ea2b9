"""``python -m multiverse.models.nmf``: one job, in its container or environment."""

import sys

import numpy as np
from scipy import sparse

from multiverse.worker import Embedding, Job, NotApplicable, run_model


def embed(job: Job, data) -> Embedding:
    """``data`` is a MuData: raw counts (CSR) of the job's modalities, the same cells in each."""
    from sklearn.decomposition import NMF

    wanted = job.parameters["n_components"]
    views = sparse.hstack([scaled(part.X) for part in data.mod.values()], format="csr")
    if min(views.shape) < wanted:
        raise NotApplicable(f"{wanted} components need as many cells and features")
    model = NMF(wanted, max_iter=job.parameters["max_iterations"], random_state=job.seed)
    latent = model.fit_transform(views)
    job.log.info("%d iterations", model.n_iter_)
    return Embedding(latent, metrics={"reconstruction_error": model.reconstruction_err_})


def scaled(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Cells scaled to the median depth, then the whole modality to a total of one per cell."""
    depth = np.asarray(counts.sum(axis=1)).ravel()
    even = sparse.diags(np.median(depth) / np.maximum(depth, 1)) @ counts
    return sparse.csr_matrix(even.sqrt() * np.sqrt(len(depth) / even.sum()))


if __name__ == "__main__":
    sys.exit(run_model(embed))
