"""Batch normalisation for the embedding: the statistics of the population, not of a minibatch.

The running averages of training lag behind the weights, and statistics of whatever cells are
embedded together would make a cell's place depend on its company. So the statistics are
computed anew once the weights are final, and are fixed then.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from multiverse.models.cobolt.counts import CellCounts, split
from multiverse.models.cobolt.network import Network


def settle(network: Network, data: CellCounts, batch_size: int, seed: int) -> None:
    """Recompute the mean and variance of every batch normalisation, then evaluation mode.

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
