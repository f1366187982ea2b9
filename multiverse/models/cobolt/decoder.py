"""From topic proportions to the probabilities of the features of one modality."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Decoder(nn.Module):
    """π = softmax( (θᵀ B) ⊙ (1 + s_b) + t_b ), with B (n_topics, n_features).

    ``intercept`` t and ``slope`` s hold one row a batch (n_batches, n_features), free parameters
    without a prior; a term that is switched off is 0 and has no parameters.
    """

    def __init__(
        self, n_features: int, n_topics: int, n_batches: int, *, intercept: bool, slope: bool
    ) -> None:
        super().__init__()
        self.topics = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_topics, n_features)))
        terms = torch.empty(n_batches, n_features), torch.empty(n_batches, n_features)
        self.intercept = nn.Parameter(nn.init.xavier_uniform_(terms[0])) if intercept else None
        self.slope = nn.Parameter(nn.init.uniform_(terms[1])) if slope else None

    def forward(self, proportions: Tensor, batch: Tensor) -> Tensor:
        """log π, (n_cells, n_features).

        ``proportions`` θ is (n_cells, n_topics); ``batch`` is one-hot, (n_cells, n_batches): its
        product with the terms has a gradient that is deterministic on every device.
        """
        logits = proportions @ self.topics
        if self.slope is not None:
            logits = logits * (batch @ (1 + self.slope))
        if self.intercept is not None:
            logits = logits + batch @ self.intercept
        return logits.log_softmax(dim=-1)


def multinomial_loss(counts: Tensor, log_probabilities: Tensor) -> Tensor:
    """−Σ_j x_j log π_j of each cell in nats, (n_cells,), without the multinomial coefficient.

    The coefficient depends on the counts only, so it has no gradient.
    """
    return -(counts * log_probabilities).sum(dim=-1)
