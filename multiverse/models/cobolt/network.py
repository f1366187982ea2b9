"""The whole model: an encoder and a decoder a modality, one prior, the loss of a subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from multiverse.models.cobolt.counts import Minibatch
from multiverse.models.cobolt.decoder import Decoder, multinomial_loss
from multiverse.models.cobolt.encoder import Encoder
from multiverse.models.cobolt.gaussian import (
    Gaussian,
    divergence,
    laplace_prior,
    product_of_experts,
)
from multiverse.models.cobolt.settings import Settings


@dataclass(frozen=True)
class Terms:
    """Sums over the cells of a minibatch, in nats; ``reconstruction`` per modality of the subset.

    Together they are the negative evidence lower bound but for the multinomial coefficient.
    """

    kl: Tensor
    reconstruction: Mapping[int, Tensor]

    def loss(self, kl_weight: float) -> Tensor:
        return sum(self.reconstruction.values()) + kl_weight * self.kl

    def detach(self) -> Terms:
        """The same values without their gradients."""
        parts = {number: part.detach() for number, part in self.reconstruction.items()}
        return Terms(self.kl.detach(), parts)


class Network(nn.Module):
    """Parameters of the model. Every subset of modalities shares the prior and the decoders."""

    def __init__(self, n_features: Sequence[int], n_batches: int, settings: Settings) -> None:
        super().__init__()
        n_topics = settings.n_latent
        self.encoders = nn.ModuleList(
            Encoder(width, settings.hidden_dims, n_topics) for width in n_features
        )
        self.decoders = nn.ModuleList(
            Decoder(width, n_topics, n_batches, intercept=settings.intercept, slope=settings.slope)
            for width in n_features
        )
        alpha = torch.full((n_topics,), settings.concentration, dtype=torch.float64)
        prior = laplace_prior(alpha)
        self.register_buffer("prior_mean", prior.mean.float())
        self.register_buffer("prior_variance", prior.variance.float())

    @property
    def prior(self) -> Gaussian:
        return Gaussian(self.prior_mean, self.prior_variance)

    @property
    def device(self) -> torch.device:
        return self.prior_mean.device

    def posterior(self, counts: Mapping[int, Tensor]) -> Gaussian:
        """q(z | counts of exactly these modalities), (n_cells, n_topics)."""
        experts = [self.encoders[number](part) for number, part in counts.items()]
        return product_of_experts(self.prior, experts)

    def terms(self, minibatch: Minibatch, noise: Tensor) -> Terms:
        """The loss's terms with one draw a cell; ``noise`` is (n_cells, n_topics) normal."""
        posterior = self.posterior(minibatch.counts)
        proportions = posterior.draw(noise).softmax(dim=-1)
        reconstruction = {
            number: multinomial_loss(
                part, self.decoders[number](proportions, minibatch.batch)
            ).sum()
            for number, part in minibatch.counts.items()
        }
        return Terms(divergence(posterior, self.prior).sum(), reconstruction)
