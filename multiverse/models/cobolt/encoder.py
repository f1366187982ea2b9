"""From the counts of one modality to its expert, a diagonal Gaussian over the topics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from multiverse.models.cobolt.gaussian import Gaussian

#: Bounds of the logarithm of an expert's variance. Never reached in a fit that goes well.
LOG_VARIANCE = (-10.0, 10.0)


class Encoder(nn.Module):
    """log(1 + counts) → [linear, batch norm, leaky ReLU] per hidden layer → mean, log variance.

    It is not told the batch or the depth of a cell: the batch is explained by the decoder alone.
    """

    def __init__(self, n_features: int, hidden_dims: Sequence[int], n_topics: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise((n_features, *hidden_dims)):
            layers += [nn.Linear(width_in, width_out), nn.BatchNorm1d(width_out), nn.LeakyReLU()]
        self.hidden = nn.Sequential(*layers)
        self.mean = nn.Linear(hidden_dims[-1], n_topics)
        self.log_variance = nn.Linear(hidden_dims[-1], n_topics)

    def forward(self, counts: Tensor) -> Gaussian:
        """The experts of cells: raw counts (n_cells, n_features) → (n_cells, n_topics)."""
        hidden = self.hidden(counts.log1p())
        return Gaussian(self.mean(hidden), self.log_variance(hidden).clamp(*LOG_VARIANCE).exp())
