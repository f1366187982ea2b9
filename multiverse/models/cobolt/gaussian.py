"""Diagonal Gaussians over the topics: the prior, products of experts, divergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gaussian:
    """``mean`` and ``variance``, each (…, n_topics). An infinite variance says nothing."""

    mean: Tensor
    variance: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """mean + sd · noise, with standard normal ``noise`` (…, n_topics)."""
        return torch.addcmul(self.mean, self.variance.sqrt(), noise)


def laplace_prior(alpha: Tensor) -> Gaussian:
    """The Gaussian in the softmax basis that stands for Dirichlet(``alpha``), alpha (n_topics,).

    Laplace approximation with diagonal covariance (MacKay 1998; Srivastava and Sutton 2017,
    section 3.2): mean log α_k − mean(log α), variance (1 − 2/K)/α_k + Σ(1/α_i)/K².
    """
    n_topics = len(alpha)
    logs, inverse = alpha.log(), alpha.reciprocal()
    variance = inverse * (1 - 2 / n_topics) + inverse.sum() / n_topics**2
    return Gaussian(logs - logs.mean(), variance)


def product_of_experts(prior: Gaussian, experts: Sequence[Gaussian]) -> Gaussian:
    """The normalised product of the prior and all experts (Wu and Goodman 2018, MVAE).

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
    """KL(approximate ‖ prior) in nats, summed over topics: (…,)."""
    ratio = approximate.variance / prior.variance
    distance = (prior.mean - approximate.mean).square() / prior.variance
    return 0.5 * (ratio + distance - 1 - ratio.log()).sum(dim=-1)
