"""What an embedding keeps of the labels, and how well it mixes the batches. Arrays in, numbers out.

Enough to see that a model works and that a later change harms it; no replacement for scIB.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.neighbors import NearestNeighbors

Labels = NDArray[np.str_]
Latent = NDArray[np.float32]
NEIGHBOURS = 15


@dataclass(frozen=True)
class Agreement:
    """Agreement of an embedding with labels, of labelled cells only.

    ``ari``, ``nmi``: k-means with as many clusters as labels (10 starts, seed 0) against the
    labels. ``purity``: mean share of a cell's 15 nearest neighbours with its label.
    """

    ari: float
    nmi: float
    purity: float

    def plain(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


def agreement(latent: Latent, labels: Labels) -> Agreement:
    """Agreement of an embedding (n_cells, n_dims) with labels (n_cells,); "" means not labelled."""
    known = labels != ""
    cells, names = latent[known], labels[known]
    clusters = KMeans(len(np.unique(names)), n_init=10, random_state=0).fit_predict(cells)
    return Agreement(
        ari=float(adjusted_rand_score(names, clusters)),
        nmi=float(normalized_mutual_info_score(names, clusters)),
        purity=float((names[_neighbours(cells)] == names[:, None]).mean()),
    )


def mixing(latent: Latent, labels: Labels, batch: Labels | None) -> float | None:
    """Return :func:`batch_mixing` to four digits; None for a dataset without batches."""
    return None if batch is None else round(batch_mixing(latent, labels, batch), 4)


def batch_mixing(latent: Latent, labels: Labels, batch: Labels) -> float:
    """Share of neighbours from other batches over that expected by chance: 1 mixed, 0 apart.

    Judged within each label that at least two batches have, so that batches which differ in
    their cells are not blamed for it; the mean over those cells.
    """
    observed, expected = [], []
    for name in np.unique(labels[labels != ""]):
        cells = np.flatnonzero(labels == name)
        own = batch[cells]
        if len(cells) <= NEIGHBOURS or len(np.unique(own)) < 2:
            continue
        near = own[_neighbours(latent[cells])]
        observed.append((near != own[:, None]).mean(axis=1))
        expected.append((own[:, None] != own[None, :]).sum(axis=1) / (len(cells) - 1))
    if not observed:
        raise ValueError("no label has cells of two batches, so mixing can't be judged")
    return float(np.concatenate(observed).mean() / np.concatenate(expected).mean())


def random_embedding(n_cells: int, n_dims: int = 20) -> Latent:
    """An embedding that knows nothing."""
    return np.random.default_rng(0).normal(size=(n_cells, n_dims)).astype(np.float32)


def _neighbours(latent: Latent) -> NDArray[np.intp]:
    near: NDArray[np.intp] = (
        NearestNeighbors(n_neighbors=NEIGHBOURS).fit(latent).kneighbors(return_distance=False)
    )
    return near
