"""Fitting: one Adam step a minibatch, minibatches of cells that share a subset of modalities.

The memory that it takes is estimated here as well, so that a job that can't succeed ends before
it starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from multiverse.errors import MultiverseError
from multiverse.models.cobolt.counts import (
    MIN_CELLS,
    CellCounts,
    Cells,
    Subset,
    split,
    training_subsets,
)
from multiverse.models.cobolt.embedding import CHUNK
from multiverse.models.cobolt.network import Network, Terms
from multiverse.models.cobolt.settings import CoboltSettings

#: Python with PyTorch, scikit-learn and what reads the data, before any data.
LIBRARIES = 400 * 1024**2
#: A parameter, its gradient and the two moments of Adam, in single precision.
BYTES_A_PARAMETER = 4 * 4
#: Arrays of cells × features alive at once in a step: counts, their logarithm, logits, their
#: terms and probabilities, and the gradients of these.
ARRAYS_A_STEP = 12
#: In the embedding: counts and their logarithm.
ARRAYS_A_CHUNK = 3


@dataclass(frozen=True)
class EpochLosses:
    """One epoch, counted from 1. Terms are nats a cell, summed over the subsets of modalities."""

    number: int
    kl_weight: float
    kl: float
    reconstruction: Mapping[str, float]

    @property
    def loss(self) -> float:
        return sum(self.reconstruction.values()) + self.kl_weight * self.kl


class Training:
    """A network, its optimiser and the random numbers of one fit.

    Shuffles and noise come from the seed and are drawn on the CPU whatever the device, so that
    a GPU sees the same minibatches and draws.
    """

    def __init__(self, network: Network, data: CellCounts, settings: CoboltSettings) -> None:
        self.network = network
        self.data = data
        self.settings = settings
        self._shuffles = np.random.default_rng(settings.seed)
        self._noise = torch.Generator().manual_seed(settings.seed)
        self.optimiser = torch.optim.Adam(
            network.parameters(), lr=settings.lr, fused=network.device.type in ("cpu", "cuda")
        )
        subsets = training_subsets(len(data.modalities), self._shuffles)
        having = {subset: data.having(subset) for subset in subsets}
        self.cells: dict[Subset, Cells] = {
            subset: cells for subset, cells in having.items() if len(cells) >= MIN_CELLS
        }

    def run(self, report: Callable[[EpochLosses], None]) -> EpochLosses:
        """Run all epochs, report each as it ends, and return the last.

        Raises MultiverseError as soon as an epoch's loss is not finite.
        """
        self.network.train()
        for number in range(self.settings.max_epochs):
            epoch = self.epoch(number)
            if not math.isfinite(epoch.loss):
                raise MultiverseError(
                    f"the loss of epoch {epoch.number} is not finite "
                    f"(learning rate {self.settings.lr:g})",
                    remedy=f"Set a smaller learning rate, such as lr: {self.settings.lr / 5:g}.",
                )
            report(epoch)
        return epoch

    def epoch(self, number: int) -> EpochLosses:
        """Pass once over the cells of every subset; ``number`` counts from 0."""
        weight = self.settings.kl_weight(number)
        # Summed on the device and read once, because a GPU would wait at every step otherwise.
        kinds = {"dtype": torch.float64, "device": self.network.device}
        kl, parts = torch.zeros((), **kinds), torch.zeros(len(self.data.names), **kinds)
        for subset, cells in self.cells.items():
            for chosen in split(cells, self.settings.batch_size, self._shuffles):
                terms = self.step(chosen, subset, weight)
                kl += terms.kl / len(cells)
                for modality, part in terms.reconstruction.items():
                    parts[modality] += part / len(cells)
        reconstruction = dict(zip(self.data.names, parts.tolist(), strict=True))
        return EpochLosses(number + 1, weight, float(kl), reconstruction)

    def step(self, cells: Cells, subset: Subset, kl_weight: float) -> Terms:
        """Make one step of Adam on the summed loss of ``cells`` (n_cells,).

        Returns the terms before the step.

        Parameters that ``subset`` does not touch have no gradient at all, not one of zero, so
        that Adam leaves them and their moments alone.
        """
        minibatch = self.data.minibatch(cells, subset, self.network.device)
        noise = torch.randn(len(cells), self.settings.n_latent, generator=self._noise)
        self.optimiser.zero_grad(set_to_none=True)
        terms = self.network.terms(minibatch, noise.to(self.network.device))
        terms.loss(kl_weight).backward()
        self.optimiser.step()
        return terms.detach()


def fit(
    network: Network,
    data: CellCounts,
    settings: CoboltSettings,
    report: Callable[[EpochLosses], None],
) -> EpochLosses:
    """Train ``network`` to the end and leave it ready for embedding; returns the last epoch."""
    last = Training(network, data, settings).run(report)
    settle(network, data, settings.batch_size, settings.seed)
    return last


def settle(network: Network, data: CellCounts, batch_size: int, seed: int) -> None:
    """Recompute the mean and variance of every batch normalisation, then set evaluation mode.

    The running averages of training lag behind the weights, and statistics of whatever cells are
    embedded together would make a cell's place depend on its company. So the statistics of the
    population are computed anew once the weights are final, and are fixed then.

    One pass over all cells of each modality; the average over minibatches counts each alike.
    Cells are shuffled, because minibatches of neighbours in a sorted dataset (one batch, one
    cell type) would vary too little.
    """
    random = np.random.default_rng(seed)
    network.train()
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm1d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
    with torch.no_grad():
        for number, encoder in enumerate(network.encoders):
            for cells in split(data.having((number,)), batch_size, random):
                minibatch = data.minibatch(cells, (number,), network.device)
                encoder(minibatch.counts[number])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def needed_bytes(network: Network, data: CellCounts, settings: CoboltSettings) -> int:
    """Return the bytes of libraries, parameters, optimiser, largest minibatch and counts.

    A lower bound: a job with less can't succeed.
    """
    parameters = sum(int(part.numel()) for part in network.parameters())
    features = sum(data.n_features)
    step = min(settings.batch_size + 1, data.n_cells) * ARRAYS_A_STEP
    chunk = min(CHUNK, data.n_cells) * ARRAYS_A_CHUNK
    sparse = sum(int(part.data.nbytes + part.indices.nbytes) for part in data.modalities)
    dense = 4 * features * max(step, chunk)
    return LIBRARIES + BYTES_A_PARAMETER * parameters + dense + sparse
