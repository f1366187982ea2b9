"""Prior, product of experts, divergence: against formulas worked out otherwise."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from multiverse.models.cobolt.network import (
    Gaussian,
    divergence,
    laplace_prior,
    product_of_experts,
)


def random_gaussian(seed: int, shape: tuple[int, ...] = (6, 4)) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    values = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2)]
    return Gaussian(values[0], values[1].exp())


def test_symmetric_prior() -> None:
    prior = laplace_prior(torch.full((10,), 5.0, dtype=torch.float64))
    np.testing.assert_allclose(prior.mean, 0, atol=1e-15)
    np.testing.assert_allclose(prior.variance, 0.18)


def test_asymmetric_prior_by_hand() -> None:
    prior = laplace_prior(torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64))
    # log 1, log 2, log 4 minus their mean; 1/(3 alpha) + 1.75/9.
    np.testing.assert_allclose(prior.mean, [-0.693147, 0, 0.693147], atol=1e-6)
    np.testing.assert_allclose(prior.variance, [0.527778, 0.361111, 0.277778], atol=1e-6)


def test_prior_is_near_the_dirichlet_it_stands_for() -> None:
    """Means of softmax(z) and of the Dirichlet agree, for concentrated ones closely."""
    alpha = torch.tensor([20.0, 40.0, 60.0], dtype=torch.float64)
    prior = laplace_prior(alpha)
    noise = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0)).double()
    drawn = prior.draw(noise).softmax(dim=-1)
    dirichlet = torch.distributions.Dirichlet(alpha)
    np.testing.assert_allclose(drawn.mean(dim=0), dirichlet.mean, rtol=0.02)
    # The approximation is at the mode, and its diagonal form adds to the spread.
    np.testing.assert_allclose(drawn.var(dim=0), dirichlet.variance, rtol=0.5)


def test_product_with_nothing_is_the_prior() -> None:
    prior = random_gaussian(0)
    silent = Gaussian(torch.ones(6, 4).double(), torch.full((6, 4), torch.inf).double())
    for experts in ([], [silent]):
        product = product_of_experts(prior, experts)
        np.testing.assert_allclose(product.mean, prior.mean, rtol=1e-12)
        np.testing.assert_allclose(product.variance, prior.variance, rtol=1e-12)


def test_product_with_one_expert_is_the_conjugate_update() -> None:
    prior, expert = random_gaussian(0), random_gaussian(1)
    product = product_of_experts(prior, [expert])
    total = prior.variance + expert.variance
    mean = (prior.mean * expert.variance + expert.mean * prior.variance) / total
    np.testing.assert_allclose(product.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(product.variance, prior.variance * expert.variance / total)


def test_product_is_that_of_the_densities() -> None:
    """The logarithm of the product differs from the sum of logarithms by a constant only."""
    parts = [random_gaussian(seed, (3,)) for seed in range(3)]
    product = product_of_experts(parts[0], parts[1:])
    points = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None].expand(9, 3)
    summed = sum(Normal(part.mean, part.variance.sqrt()).log_prob(points) for part in parts)
    own = Normal(product.mean, product.variance.sqrt()).log_prob(points)
    np.testing.assert_allclose((summed - own).std(dim=0), 0, atol=1e-12)


def test_order_of_experts_does_not_matter() -> None:
    prior, *experts = (random_gaussian(seed) for seed in range(4))
    products = [product_of_experts(prior, order) for order in permutations(experts)]
    for product in products[1:]:
        np.testing.assert_allclose(product.mean, products[0].mean, rtol=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_divergence_is_that_of_torch(seed: int) -> None:
    prior, other = random_gaussian(0), random_gaussian(seed)
    expected = kl_divergence(
        Normal(other.mean, other.variance.sqrt()), Normal(prior.mean, prior.variance.sqrt())
    ).sum(dim=-1)
    np.testing.assert_allclose(divergence(other, prior), expected, rtol=1e-10)


def test_divergence_of_the_prior_from_itself_is_zero() -> None:
    prior = random_gaussian(0)
    np.testing.assert_array_equal(divergence(prior, prior), 0)


def test_draws_have_mean_and_variance() -> None:
    gaussian = random_gaussian(5, (4,))
    noise = torch.randn(100_000, 4, generator=torch.Generator().manual_seed(1)).double()
    drawn = gaussian.draw(noise)
    np.testing.assert_allclose(drawn.mean(dim=0), gaussian.mean, atol=0.03)
    np.testing.assert_allclose(drawn.var(dim=0), gaussian.variance, rtol=0.03)
