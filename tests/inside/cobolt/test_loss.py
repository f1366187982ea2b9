"""Every term of the loss against NumPy and SciPy, from the network's own weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import gammaln, log_softmax, softmax
from scipy.stats import multinomial, norm

from multiverse.models.cobolt.counts import Minibatch, Subset
from multiverse.models.cobolt.network import Decoder, Network, multinomial_loss
from multiverse.models.cobolt.settings import CoboltSettings
from tests.inside.cobolt.planted import new_network, plant

Array = NDArray[np.float64]
SETTINGS = CoboltSettings(n_latent=4, hidden_dims=(8, 6), alpha=1.3)
N_CELLS = 12


def weights(network: Network) -> dict[str, Array]:
    return {name: value.detach().double().numpy() for name, value in network.state_dict().items()}


def leaky(values: Array) -> Array:
    return np.where(values > 0, values, 0.01 * values)


def expert(own: Mapping[str, Array], modality: int, counts: Array) -> tuple[Array, Array]:
    """Mean and variance by the encoder, batch normalisation over these very cells."""
    part = f"encoders.{modality}"
    hidden = np.log1p(counts)
    for layer in (0, 3):
        linear, scale = f"{part}.hidden.{layer}", f"{part}.hidden.{layer + 1}"
        hidden = hidden @ own[f"{linear}.weight"].T + own[f"{linear}.bias"]
        hidden = (hidden - hidden.mean(axis=0)) / np.sqrt(hidden.var(axis=0) + 1e-5)
        hidden = leaky(hidden * own[f"{scale}.weight"] + own[f"{scale}.bias"])
    mean = hidden @ own[f"{part}.mean.weight"].T + own[f"{part}.mean.bias"]
    logarithm = hidden @ own[f"{part}.log_variance.weight"].T + own[f"{part}.log_variance.bias"]
    return mean, np.exp(logarithm)


def expected_terms(
    own: Mapping[str, Array], counts: Mapping[int, Array], batch: NDArray[np.intp], noise: Array
) -> tuple[Array, dict[int, Array]]:
    """The divergence and the losses of reconstruction of each cell."""
    alpha, n_topics = 1.3, 4
    prior_variance = (1 - 1 / n_topics) / alpha
    experts = [expert(own, modality, part) for modality, part in counts.items()]
    precision = 1 / prior_variance + sum(1 / variance for _, variance in experts)
    mean = sum(mean / variance for mean, variance in experts) / precision
    deviation = 1 / np.sqrt(precision)
    # KL = minus entropy minus the expectation of the prior's log density.
    density = norm.logpdf(mean, 0, np.sqrt(prior_variance)) - deviation**2 / (2 * prior_variance)
    kl = (-norm.entropy(mean, deviation) - density).sum(axis=1)
    theta = softmax(mean + deviation * noise, axis=1)
    losses = {}
    for modality, part in counts.items():
        decoder = f"decoders.{modality}"
        logits = (theta @ own[f"{decoder}.topics"]) * (1 + own[f"{decoder}.slope"][batch])
        logits = logits + own[f"{decoder}.intercept"][batch]
        log_chance = multinomial.logpmf(part, part.sum(axis=1), softmax(logits, axis=1))
        coefficient = gammaln(part.sum(axis=1) + 1) - gammaln(part + 1).sum(axis=1)
        losses[modality] = coefficient - log_chance
    return kl, losses


@pytest.mark.parametrize("subset", [(0,), (1,), (0, 1)])
def test_terms_are_those_of_numpy_and_scipy(subset: Subset) -> None:
    data = plant(N_CELLS, batch_effect=0.5).data
    network = new_network(data, SETTINGS).train()
    cells = np.arange(N_CELLS)
    noise = torch.randn(N_CELLS, 4, generator=torch.Generator().manual_seed(3))
    counts = {number: data.modalities[number].toarray().astype(float) for number in subset}
    kl, losses = expected_terms(weights(network), counts, data.batch, noise.double().numpy())

    minibatch = data.minibatch(cells, subset, torch.device("cpu"))
    terms = network.terms(minibatch, noise)
    np.testing.assert_allclose(terms.kl.item(), kl.sum(), rtol=1e-4)
    assert terms.reconstruction.keys() == set(subset)
    for number in subset:
        found = terms.reconstruction[number].item()
        np.testing.assert_allclose(found, losses[number].sum(), rtol=1e-5)
    total = sum(loss.sum() for loss in losses.values()) + 0.3 * kl.sum()
    np.testing.assert_allclose(terms.loss(0.3).item(), total, rtol=1e-5)


def test_likelihood_is_torchs_multinomial_without_its_coefficient() -> None:
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(0, 30, (5, 7), generator=generator).double()
    logits = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    found = multinomial_loss(counts, logits.log_softmax(dim=-1))
    for row in range(5):
        total = int(counts[row].sum())
        chance = torch.distributions.Multinomial(total, logits=logits[row]).log_prob(counts[row])
        coefficient = torch.lgamma(torch.tensor(total + 1.0)) - torch.lgamma(counts[row] + 1).sum()
        np.testing.assert_allclose(found[row], coefficient - chance, rtol=1e-6)


def test_impossible_feature_without_counts_adds_nothing() -> None:
    counts = torch.tensor([[3.0, 5.0, 0.0]])
    logits = torch.tensor([[0.2, -0.4, -1e30]], requires_grad=True)
    loss = multinomial_loss(counts, logits.log_softmax(dim=-1))
    alone = multinomial_loss(counts[:, :2], logits[:, :2].log_softmax(dim=-1))
    assert loss.item() == alone.item()
    loss.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("slope", [True, False])
def test_batch_terms_can_be_switched_off_one_by_one(intercept: bool, slope: bool) -> None:
    torch.manual_seed(0)
    decoder = Decoder(6, 3, 2, intercept=intercept, slope=slope)
    own = {name: value.detach().double().numpy() for name, value in decoder.state_dict().items()}
    assert own.keys() == {"topics"} | ({"intercept"} if intercept else set()) | (
        {"slope"} if slope else set()
    )
    theta = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    batch = np.array([1, 0])
    expected = theta.double().numpy() @ own["topics"]
    if slope:
        expected = expected * (1 + own["slope"][batch])
    if intercept:
        expected = expected + own["intercept"][batch]
    found = decoder(theta, torch.eye(2)[batch]).detach().numpy()
    np.testing.assert_allclose(found, log_softmax(expected, axis=1), rtol=1e-5)


def test_initial_values() -> None:
    torch.manual_seed(0)
    decoder = Decoder(5000, 10, 2, intercept=True, slope=True)
    assert decoder.intercept is not None
    assert decoder.slope is not None
    for values, rows in ((decoder.topics, 10), (decoder.intercept, 2)):
        bound = np.sqrt(6 / (rows + 5000))
        assert values.abs().max().item() <= bound
        assert values.abs().max().item() > 0.99 * bound
    assert 0 <= decoder.slope.min().item() < 0.01
    assert 0.99 < decoder.slope.max().item() < 1


def test_a_missing_modality_never_reaches_the_result() -> None:
    """NaN where a subset has no modality: nothing of it is in the terms or gradients."""
    data = plant(N_CELLS).data
    network = new_network(data, SETTINGS).train()
    with torch.no_grad():
        for part in (network.encoders[1], network.decoders[1]):
            for parameter in part.parameters():
                parameter.fill_(torch.nan)
    minibatch = data.minibatch(np.arange(N_CELLS), (0,), torch.device("cpu"))
    assert minibatch.counts.keys() == {0}
    terms = network.terms(minibatch, torch.zeros(N_CELLS, 4))
    terms.loss(1.0).backward()
    assert torch.isfinite(terms.kl)
    assert all(torch.isfinite(part.grad).all() for part in network.encoders[0].parameters())
    assert all(part.grad is None for part in network.encoders[1].parameters())


def test_log_variance_is_bounded() -> None:
    data = plant(N_CELLS).data
    network = new_network(data, SETTINGS).eval()
    with torch.no_grad():
        network.encoders[0].log_variance.bias.fill_(1e4)
        counts: Minibatch = data.minibatch(np.arange(N_CELLS), (0,), torch.device("cpu"))
        variance = network.encoders[0](counts.counts[0]).variance
    np.testing.assert_allclose(variance, np.exp(10), rtol=1e-5)
