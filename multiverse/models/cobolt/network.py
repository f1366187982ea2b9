"""The whole model: an encoder and a decoder for each modality, one prior, the loss of a subset.

Everything is a diagonal Gaussian over the topics: the prior, the experts, their product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from multiverse.models.cobolt.counts import Minibatch
from multiverse.models.cobolt.settings import CoboltSettings

#: Bounds of the logarithm of an expert's variance. Never reached in a fit that goes well.
LOG_VARIANCE = (-10.0, 10.0)


@dataclass(frozen=True)
class Gaussian:
    """``mean`` and ``variance``, each (…, n_topics). An infinite variance says nothing."""

    mean: Tensor
    variance: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """Return mean + sd · noise, with standard normal ``noise`` (…, n_topics)."""
        return torch.addcmul(self.mean, self.variance.sqrt(), noise)


def laplace_prior(alpha: Tensor) -> Gaussian:
    """Return the Gaussian in the softmax basis for Dirichlet(``alpha``), alpha (n_topics,).

    Laplace approximation with diagonal covariance (MacKay 1998; Srivastava and Sutton 2017,
    section 3.2): mean log α_k − mean(log α), variance (1 − 2/K)/α_k + Σ(1/α_i)/K².
    """
    n_topics = len(alpha)
    logs, inverse = alpha.log(), alpha.reciprocal()
    variance = inverse * (1 - 2 / n_topics) + inverse.sum() / n_topics**2
    return Gaussian(logs - logs.mean(), variance)


def product_of_experts(prior: Gaussian, experts: Sequence[Gaussian]) -> Gaussian:
    """Return the normalised product of the prior and all experts (Wu and Goodman 2018, MVAE).

    Precisions add up; the mean is the average of the means, weighted by precision. The prior
    counts once however many experts there are, and is the result when there is none.
    """
    precision = prior.variance.reciprocal()
    weighted = prior.mean * precision
    for expert in experts:
        own = expert.variance.reciprocal()
        precision = precision + own
        weighted = weighted + expert.mean * own
    variance = precision.reciprocal()
    return Gaussian(weighted * variance, variance)


def divergence(approximate: Gaussian, prior: Gaussian) -> Tensor:
    """Return KL(approximate ‖ prior) in nats, summed over topics: (…,)."""
    ratio = approximate.variance / prior.variance
    distance = (prior.mean - approximate.mean).square() / prior.variance
    return 0.5 * (ratio + distance - 1 - ratio.log()).sum(dim=-1)


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
        """Return the experts of cells: raw counts (n_cells, n_features) → (n_cells, n_topics)."""
        hidden = self.hidden(counts.log1p())
        return Gaussian(self.mean(hidden), self.log_variance(hidden).clamp(*LOG_VARIANCE).exp())


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
        """Return log π, (n_cells, n_features).

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
    """Return −Σ_j x_j log π_j of each cell in nats, (n_cells,), without the coefficient.

    The coefficient depends on the counts only, so it has no gradient.
    """
    return -(counts * log_probabilities).sum(dim=-1)


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
        """Return the same values without their gradients."""
        parts = {number: part.detach() for number, part in self.reconstruction.items()}
        return Terms(self.kl.detach(), parts)


class Network(nn.Module):
    """Parameters of the model. Every subset of modalities shares the prior and the decoders."""

    def __init__(self, n_features: Sequence[int], n_batches: int, settings: CoboltSettings) -> None:
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
        """Return q(z | counts of exactly these modalities), (n_cells, n_topics)."""
        experts = [self.encoders[number](part) for number, part in counts.items()]
        return product_of_experts(self.prior, experts)

    def terms(self, minibatch: Minibatch, noise: Tensor) -> Terms:
        """Return the loss's terms with one draw a cell; ``noise`` is (n_cells, n_topics) normal."""
        posterior = self.posterior(minibatch.counts)
        proportions = posterior.draw(noise).softmax(dim=-1)
        reconstruction = {
            number: multinomial_loss(
                part, self.decoders[number](proportions, minibatch.batch)
            ).sum()
            for number, part in minibatch.counts.items()
        }
        return Terms(divergence(posterior, self.prior).sum(), reconstruction)
