"""Data drawn from the generative model itself, and short fits to data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import softmax

from multiverse.models.cobolt.counts import CellCounts
from multiverse.models.cobolt.network import Network
from multiverse.models.cobolt.settings import CoboltSettings
from multiverse.models.cobolt.training import fit
from multiverse.worker.preprocess import View

Array = NDArray[np.float64]
#: Name, features and mean depth of the modalities that tests draw.
MODALITIES = {"rna": (120, 600), "atac": (160, 400)}


@dataclass(frozen=True)
class Planted:
    """Counts per modality with the topic proportions and batches that they were drawn from."""

    counts: Mapping[str, csr_matrix]
    proportions: Array
    batch: NDArray[np.str_]

    @property
    def data(self) -> CellCounts:
        return cell_counts(self.counts, self.batch)


def plant(
    n_cells: int = 300,
    *,
    n_topics: int = 5,
    alpha: float = 0.3,
    batch_effect: float = 0.0,
    seed: int = 0,
) -> Planted:
    """Dirichlet proportions, real-valued topics, multinomial counts of log-normal depth.

    Two batches of equal size differ by normal intercepts with standard deviation
    ``batch_effect`` and by slopes of a tenth of it.
    """
    random = np.random.default_rng(seed)
    proportions = random.dirichlet(np.full(n_topics, alpha), size=n_cells)
    batch = random.permutation(np.arange(n_cells) % 2)
    counts = {}
    for name, (n_features, depth) in MODALITIES.items():
        topics = random.normal(0, 2, size=(n_topics, n_features))
        intercept = random.normal(0, 0.5, size=n_features)
        intercept = intercept + batch_effect * random.normal(size=(2, n_features))
        slope = 0.1 * batch_effect * random.normal(size=(2, n_features))
        chances = softmax((proportions @ topics) * (1 + slope[batch]) + intercept[batch], axis=1)
        depths = random.poisson(depth * random.lognormal(0, 0.3, size=n_cells)) + 20
        drawn = random.multinomial(depths, chances)
        counts[name] = csr_matrix(drawn.astype(np.float32))
    return Planted(counts, proportions, np.array([f"b{number}" for number in batch]))


def without(counts: csr_matrix, cells: Sequence[int] | NDArray[np.intp]) -> csr_matrix:
    """The counts with nothing left in some cells."""
    keep = np.ones(counts.shape[0], dtype=np.float32)
    keep[np.asarray(cells)] = 0
    left = csr_matrix(counts.multiply(keep[:, None]))
    left.eliminate_zeros()
    return left


def cell_counts(
    counts: Mapping[str, csr_matrix], batch: NDArray[np.str_] | None = None
) -> CellCounts:
    views = [
        View(name, part, tuple(f"{name}{number}" for number in range(part.shape[1])))
        for name, part in counts.items()
    ]
    return CellCounts.of(views, batch)


def fitted(data: CellCounts, **changes: Any) -> tuple[Network, CoboltSettings]:
    """A network trained on ``data``, in evaluation mode; quick settings unless changed."""
    quick: dict[str, Any] = {"n_latent": 5, "hidden_dims": (32, 16), "batch_size": 32}
    settings = CoboltSettings(**{**quick, **changes})
    network = new_network(data, settings)
    fit(network, data, settings, lambda _: None)
    return network, settings


def new_network(data: CellCounts, settings: CoboltSettings) -> Network:
    torch.manual_seed(settings.seed)
    return Network(data.n_features, data.n_batches, settings)
