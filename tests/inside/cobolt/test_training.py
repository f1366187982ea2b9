"""Subsets, minibatches, steps and epochs."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from multiverse.errors import MultiverseError, NotApplicable, UsageError
from multiverse.models.cobolt.counts import split, training_subsets
from multiverse.models.cobolt.settings import CoboltSettings
from multiverse.models.cobolt.training import EpochLosses, Training, needed_bytes
from tests.inside.cobolt.planted import cell_counts, new_network, plant, without

SETTINGS = CoboltSettings(n_latent=4, hidden_dims=(8,), batch_size=16, max_epochs=3)


def training(settings: CoboltSettings = SETTINGS, n_cells: int = 40) -> Training:
    data = plant(n_cells).data
    started = Training(new_network(data, settings), data, settings)
    started.network.train()
    return started


def test_subsets_in_binary_order() -> None:
    random = np.random.default_rng(0)
    assert training_subsets(1, random) == [(0,)]
    assert training_subsets(2, random) == [(1,), (0,), (0, 1)]
    assert training_subsets(3, random) == [(2,), (1,), (1, 2), (0,), (0, 2), (0, 1), (0, 1, 2)]


@pytest.mark.parametrize("n_modalities", [4, 6])
def test_of_many_modalities_some_subsets_are_drawn(n_modalities: int) -> None:
    drawn = training_subsets(n_modalities, np.random.default_rng(1))
    assert len(set(drawn)) == len(drawn) == n_modalities + 6
    assert {(number,) for number in range(n_modalities)} <= set(drawn)
    assert tuple(range(n_modalities)) in drawn
    assert drawn == training_subsets(n_modalities, np.random.default_rng(1))
    assert drawn != training_subsets(n_modalities, np.random.default_rng(2))


@pytest.mark.parametrize(
    ("n_cells", "sizes"), [(5, [5]), (8, [4, 4]), (9, [4, 5]), (10, [4, 4, 2])]
)
def test_no_minibatch_of_one_cell(n_cells: int, sizes: list[int]) -> None:
    cells = np.arange(100, 100 + n_cells)
    for random in (None, np.random.default_rng(0)):
        parts = split(cells, 4, random)
        assert [len(part) for part in parts] == sizes
        assert sorted(np.concatenate(parts)) == list(cells)
    assert list(np.concatenate(split(cells, 4, np.random.default_rng(0)))) != list(cells)


def test_weight_of_the_divergence() -> None:
    assert [CoboltSettings(annealing_epochs=4).kl_weight(epoch) for epoch in (0, 1, 4, 9)] == [
        0,
        0.25,
        1,
        1,
    ]
    assert CoboltSettings(annealing_epochs=0).kl_weight(0) == 1


def test_alpha_reaches_the_model() -> None:
    assert CoboltSettings(n_latent=20).concentration == 2.5
    network = new_network(plant(10).data, CoboltSettings(n_latent=10, alpha=3.0))
    np.testing.assert_allclose(network.prior_variance, 0.3, rtol=1e-6)


def test_one_topic_is_refused() -> None:
    with pytest.raises(UsageError, match="one topic"):
        CoboltSettings(n_latent=1)


def frozen(started: Training, modality: int) -> dict[str, Any]:
    """Copies of all that belongs to a modality: parameters, running statistics, moments."""
    network = started.network
    state: dict[str, Any] = {}
    for kind in ("encoders", "decoders"):
        part = getattr(network, kind)[modality]
        state |= {f"{kind}.{name}": value for name, value in part.state_dict().items()}
        for name, parameter in part.named_parameters():
            moments = started.optimiser.state.get(parameter, {})
            state |= {f"{kind}.{name}.{moment}": value for moment, value in moments.items()}
    return copy.deepcopy(state)


def test_a_step_leaves_other_modalities_alone() -> None:
    started = training()
    cells = np.arange(16)
    started.step(cells, (1,), 0.5)  # so that there are moments to keep
    before, own = frozen(started, 1), frozen(started, 0)
    started.step(cells, (0,), 0.5)
    after = frozen(started, 1)
    assert before.keys() == after.keys()
    assert any("exp_avg" in name for name in before)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert any(not torch.equal(own[name], frozen(started, 0)[name]) for name in own)


def test_a_step_is_one_of_adam() -> None:
    started, other = training(), training()
    cells = np.arange(16)
    started.step(cells, (0, 1), 0.5)
    plain = torch.optim.Adam(other.network.parameters(), lr=SETTINGS.lr)
    noise = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    minibatch = other.data.minibatch(cells, (0, 1), torch.device("cpu"))
    other.network.terms(minibatch, noise).loss(0.5).backward()
    plain.step()
    expected = other.network.state_dict()
    for name, value in started.network.state_dict().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-7)


def test_epochs_sum_subsets_and_average_cells() -> None:
    """With a rate of nearly 0 an epoch's terms are those of the network that does not move."""
    still = CoboltSettings(
        n_latent=4, hidden_dims=(8,), batch_size=40, lr=1e-12, annealing_epochs=0
    )
    counts = plant(40).counts
    data = cell_counts({"rna": counts["rna"], "atac": without(counts["atac"], np.arange(15))})
    started = Training(new_network(data, still), data, still)
    started.network.train()
    epoch = started.epoch(0)
    noise = torch.Generator().manual_seed(0)
    expected = {"kl": 0.0, "rna": 0.0, "atac": 0.0}
    shuffles = np.random.default_rng(0)
    for subset, cells in {(1,): range(15, 40), (0,): range(40), (0, 1): range(15, 40)}.items():
        order = shuffles.permutation(np.array(cells))
        draw = torch.randn(len(cells), 4, generator=noise)
        minibatch = data.minibatch(order, subset, torch.device("cpu"))
        terms = started.network.terms(minibatch, draw)
        expected["kl"] += terms.kl.item() / len(cells)
        for number, value in terms.reconstruction.items():
            expected[data.names[number]] += value.item() / len(cells)
    assert epoch.number == 1
    np.testing.assert_allclose(epoch.kl, expected.pop("kl"), rtol=1e-4)
    assert epoch.reconstruction == pytest.approx(expected, rel=1e-5)
    assert epoch.loss == pytest.approx(epoch.kl + sum(expected.values()), rel=1e-4)


def test_loss_falls() -> None:
    epochs: list[EpochLosses] = []
    settings = CoboltSettings(n_latent=4, hidden_dims=(16,), batch_size=16, max_epochs=12)
    training(settings).run(epochs.append)
    assert [epoch.number for epoch in epochs] == list(range(1, 13))
    losses = [epoch.loss for epoch in epochs]
    assert losses[-1] < 0.97 * losses[0]
    assert epochs[0].kl_weight == 0


def test_a_loss_that_is_not_finite_ends_with_advice() -> None:
    wild = CoboltSettings(n_latent=4, hidden_dims=(8,), batch_size=16, lr=1.0)
    started = training(wild)
    with torch.no_grad():
        started.network.decoders[0].topics.fill_(1e38)
    reported: list[EpochLosses] = []
    with pytest.raises(MultiverseError, match="epoch 1 is not finite") as caught:
        started.run(reported.append)
    assert caught.value.remedy is not None
    assert "lr: 0.2" in caught.value.remedy
    assert reported == []


def test_cells_without_counts_lack_the_modality() -> None:
    counts = plant(10).counts
    data = cell_counts({**counts, "rna": without(counts["rna"], [2, 5])})
    assert list(data.having((0,))) == [0, 1, 3, 4, 6, 7, 8, 9]
    assert len(data.having((1,))) == 10
    patterns = {subset: list(cells) for subset, cells in data.patterns().items()}
    assert patterns == {(1,): [2, 5], (0, 1): [0, 1, 3, 4, 6, 7, 8, 9]}


def test_features_without_counts_are_dropped() -> None:
    rna = plant(10).counts["rna"].tolil()
    rna[:, [0, 7]] = 0
    assert cell_counts({"rna": rna.tocsr()}).n_features[0] <= rna.shape[1] - 2


def test_a_modality_of_one_cell_is_not_applicable() -> None:
    counts = plant(10).counts
    lonely = {**counts, "atac": without(counts["atac"], np.arange(9))}
    with pytest.raises(NotApplicable, match="1 cells have atac counts: at least 2"):
        cell_counts(lonely)


def test_a_subset_that_one_cell_has_is_not_trained() -> None:
    counts = plant(10).counts
    halves = {
        "rna": without(counts["rna"], np.arange(6, 10)),
        "atac": without(counts["atac"], np.arange(5)),
    }
    data = cell_counts(halves)
    settings = CoboltSettings(n_latent=4, hidden_dims=(8,))
    assert list(Training(new_network(data, settings), data, settings).cells) == [(1,), (0,)]


def test_memory_grows_with_features_and_hidden_units() -> None:
    data = plant(40).data
    narrow, wide = (CoboltSettings(hidden_dims=(width,)) for width in (8, 800))
    needed = [needed_bytes(new_network(data, each), data, each) for each in (narrow, wide)]
    # 792 more hidden units for 280 features, 16 bytes each.
    assert needed[1] - needed[0] > 792 * 250 * 16
