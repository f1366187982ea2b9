"""From a trained network to the place of every cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from multiverse.models.cobolt.counts import CellCounts
from multiverse.models.cobolt.embedding import Correction, centred, embed_cells, posterior_means
from multiverse.models.cobolt.network import Network
from multiverse.models.cobolt.settings import CoboltSettings
from tests.inside.cobolt.planted import Planted, cell_counts, fitted, plant, without

Fitted = tuple[Network, CoboltSettings]


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant(180)


@pytest.fixture(scope="module")
def mosaic(planted: Planted) -> CellCounts:
    """The first 60 cells have RNA only, the next 60 ATAC only, the rest both."""
    rna, atac = planted.counts["rna"], planted.counts["atac"]
    only = {"rna": without(rna, np.arange(60, 120)), "atac": without(atac, np.arange(60))}
    return cell_counts(only, planted.batch)


@pytest.fixture(scope="module")
def on_mosaic(mosaic: CellCounts) -> Fitted:
    return fitted(mosaic, max_epochs=12, annealing_epochs=4, alpha=0.5)


def test_rows_have_mean_zero(on_mosaic: Fitted, mosaic: CellCounts) -> None:
    values = embed_cells(on_mosaic[0], mosaic, on_mosaic[1]).values
    assert values.shape == (180, 5)
    np.testing.assert_allclose(values.sum(axis=1), 0, atol=1e-12)
    assert np.linalg.matrix_rank(values, tol=1e-6) == 4


def test_place_of_a_cell_depends_on_that_cell_alone(on_mosaic: Fitted, mosaic: CellCounts) -> None:
    network, _ = on_mosaic
    cells = mosaic.having((0, 1))
    whole = posterior_means(network, mosaic, cells, (0, 1))
    for chunk in (1, 7, 128):
        found = posterior_means(network, mosaic, cells, (0, 1), chunk)
        np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-5)
    order = np.random.default_rng(0).permutation(len(cells))
    moved = posterior_means(network, mosaic, cells[order], (0, 1), 7)
    np.testing.assert_allclose(moved, whole[order], rtol=1e-4, atol=1e-5)


def test_normalisation_is_that_of_all_cells(on_mosaic: Fitted, mosaic: CellCounts) -> None:
    """The first layer's statistics, where its input does not depend on other statistics."""
    network, _ = on_mosaic
    for number in (0, 1):
        linear, norm = network.encoders[number].hidden[:2]
        counts = mosaic.modalities[number][mosaic.having((number,))].toarray()
        weight, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()
        inputs = np.log1p(counts) @ weight.T + bias
        spread = inputs.std(axis=0)
        # Minibatches of 32 and a last one of 24: their average is near, not equal.
        assert np.abs((norm.running_mean.numpy() - inputs.mean(axis=0)) / spread).max() < 0.1
        np.testing.assert_allclose(norm.running_var, spread**2, rtol=0.15)
    assert not network.training
    assert norm.momentum == 0.1


def test_corrected_cells_mix_better(on_mosaic: Fitted, mosaic: CellCounts) -> None:
    """Cells of one pattern of modalities are each other's neighbours less often."""
    network, settings = on_mosaic
    pattern = np.repeat([0, 1, 2], 60)
    found = {
        correction: embed_cells(network, mosaic, replace(settings, correction=correction))
        for correction in ("gbm", "none")
    }
    assert (found["gbm"].correction, found["gbm"].corrected) == ("gbm", 120)
    assert (found["none"].correction, found["none"].corrected) == ("none", 0)
    same = {name: neighbours_of_own_kind(latent.values, pattern) for name, latent in found.items()}
    assert same["gbm"] < same["none"] - 0.03
    # Cells with all modalities stay where they are.
    np.testing.assert_array_equal(found["gbm"].values[120:], found["none"].values[120:])


def neighbours_of_own_kind(values: np.ndarray, kind: np.ndarray) -> float:
    from tests.unit.worker.worker_jobs import neighbour_purity

    return neighbour_purity(values, kind, k=15)


def test_corrected_cells_are_close_to_their_full_measurement(
    planted: Planted, mosaic: CellCounts, on_mosaic: Fitted
) -> None:
    """The counts that were taken away say where a cell belongs; the correction moves it there."""
    network, settings = on_mosaic
    truth = centred(posterior_means(network, planted.data, np.arange(120), (0, 1)))

    def error(correction: str) -> float:
        changed = replace(settings, correction=correction)  # type: ignore[arg-type]
        values = embed_cells(network, mosaic, changed).values[:120]
        return float(np.square(values - truth).mean())

    assert error("gbm") < error("none")


def test_correction_is_scikit_learns_boosting_topic_by_topic() -> None:
    random = np.random.default_rng(0)
    source, target = random.normal(size=(2, 90, 3))
    target[:, 0] = np.sin(source[:, 0]) + source[:, 1]
    corrected = Correction.fit(source, target, seed=4)(source)
    expected = HistGradientBoostingRegressor(
        learning_rate=0.3,
        max_depth=6,
        max_iter=100,
        l2_regularization=1,
        early_stopping=False,
        random_state=4,
    ).fit(source, target[:, 0])
    np.testing.assert_allclose(corrected[:, 0], expected.predict(source), rtol=1e-9)
    assert corrected.shape == (90, 3)


def test_too_few_complete_cells_are_no_basis(planted: Planted) -> None:
    rna, atac = planted.counts["rna"], planted.counts["atac"]
    few = cell_counts({"rna": rna, "atac": without(atac, np.arange(49, 180))})
    network, settings = fitted(few, max_epochs=1)
    latent = embed_cells(network, few, settings)
    assert (latent.correction, latent.corrected, latent.incomplete) == ("none", 0, 131)
    alone = posterior_means(network, few, np.arange(49, 180), (0,))
    np.testing.assert_allclose(latent.values[49:], centred(alone), atol=1e-6)


def test_nothing_is_fitted_where_all_is_complete(planted: Planted) -> None:
    network, settings = fitted(planted.data, max_epochs=1)
    latent = embed_cells(network, planted.data, settings)
    assert (latent.correction, latent.corrected, latent.incomplete) == ("none", 0, 0)


def test_cells_without_any_counts_lie_at_the_prior(planted: Planted) -> None:
    emptied = {name: without(part, [3, 8]) for name, part in planted.counts.items()}
    data = cell_counts(emptied)
    network, settings = fitted(data, max_epochs=1)
    latent = embed_cells(network, data, settings)
    assert latent.empty == 2
    np.testing.assert_array_equal(latent.values[[3, 8]], 0)
    assert np.abs(latent.values[0]).max() > 0


def test_three_modalities_use_all_that_a_cell_has(planted: Planted) -> None:
    """A cell with two of three modalities is placed and corrected by both, not by the first."""
    random = np.random.default_rng(5)
    adt = random.poisson(5 + 40 * planted.proportions).astype(np.float32)
    cut = planted.counts["atac"]
    from scipy.sparse import csr_matrix

    data = cell_counts(
        {"rna": planted.counts["rna"], "atac": without(cut, np.arange(40)), "adt": csr_matrix(adt)}
    )
    network, settings = fitted(data, max_epochs=3)
    latent = embed_cells(network, data, settings)
    assert latent.corrected == 40
    complete = np.arange(40, 180)
    source = posterior_means(network, data, complete, (0, 2))
    target = posterior_means(network, data, complete, (0, 1, 2))
    by_both = Correction.fit(source, target, seed=0)(
        posterior_means(network, data, np.arange(40), (0, 2))
    )
    np.testing.assert_allclose(latent.values[:40], centred(by_both), atol=1e-9)
