"""Fitting: one Adam step a minibatch, minibatches of cells that share a subset of modalities."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from multiverse.errors import MultiverseError
from multiverse.models.cobolt.counts import MIN_CELLS, CellCounts, Cells, split
from multiverse.models.cobolt.network import Network, Terms
from multiverse.models.cobolt.population import settle
from multiverse.models.cobolt.settings import Settings
from multiverse.models.cobolt.subsets import Subset, training_subsets


@dataclass(frozen=True)
class Epoch:
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

    def __init__(self, network: Network, data: CellCounts, settings: Settings) -> None:
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

    def run(self, report: Callable[[Epoch], None]) -> Epoch:
        """All epochs, each reported as it ends; returns the last.

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

    def epoch(self, number: int) -> Epoch:
        """One pass over the cells of every subset; ``number`` counts from 0."""
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
        return Epoch(number + 1, weight, float(kl), reconstruction)

    def step(self, cells: Cells, subset: Subset, kl_weight: float) -> Terms:
        """One step of Adam on the summed loss; returns the terms before the step.

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
    network: Network, data: CellCounts, settings: Settings, report: Callable[[Epoch], None]
) -> Epoch:
    """Train ``network`` to the end and leave it ready for embedding; returns the last epoch."""
    last = Training(network, data, settings).run(report)
    settle(network, data, settings.batch_size, settings.seed)
    return last
