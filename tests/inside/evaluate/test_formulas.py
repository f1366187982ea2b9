"""Formulas that stand in for a library's, against the library, on random data."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scib_metrics.utils import principal_component_regression, silhouette_samples
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from multiverse.evaluation.metrics.agreement import ari, contingency, nmi
from multiverse.evaluation.metrics.bras import cosine_silhouettes
from multiverse.evaluation.metrics.pcr import batch_share
from tests.inside.evaluate.cases import blobs, case_of, value_of

SEEDS = range(12)


def random_table(seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels and clusters of up to 400 cells; every third pair agrees in most cells."""
    random = np.random.default_rng(seed)
    n_cells, n_labels, n_clusters = random.integers([2, 1, 1], [400, 12, 12])
    labels = random.integers(n_labels, size=n_cells)
    clusters = random.integers(n_clusters, size=n_cells)
    if seed % 3 == 0:
        clusters = np.where(random.random(n_cells) < 0.8, labels, clusters)
    return labels, clusters


@pytest.mark.parametrize("seed", SEEDS)
def test_agreement_is_scikit_learns(seed: int) -> None:
    labels, clusters = random_table(seed)
    table = contingency(labels, clusters)
    assert table.sum() == len(labels)
    assert nmi(table) == pytest.approx(normalized_mutual_info_score(labels, clusters), abs=1e-12)
    assert ari(table) == pytest.approx(adjusted_rand_score(labels, clusters), abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "clusters"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0]),
        ([0, 0, 1, 1], [0, 0, 0, 0]),
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 0, 1, 1], [1, 1, 0, 0]),
        ([0, 1, 0, 1], [0, 0, 1, 1]),
    ],
)
def test_agreement_at_its_bounds(labels: list[int], clusters: list[int]) -> None:
    table = contingency(np.array(labels), np.array(clusters))
    assert nmi(table) == pytest.approx(normalized_mutual_info_score(labels, clusters), abs=1e-12)
    assert ari(table) == pytest.approx(adjusted_rand_score(labels, clusters), abs=1e-12)


@pytest.mark.parametrize("n_batches", [2, 5])
def test_batch_share_is_principal_component_regression(n_batches: int) -> None:
    for seed in range(3):
        data = blobs(300, n_batches=n_batches, shift=1.5, seed=seed)
        codes = np.unique(data.batches, return_inverse=True)[1]
        expected = principal_component_regression(data.points, codes, categorical=True)
        found = batch_share(data.points, codes)
        assert found == pytest.approx(expected, abs=2e-6)
        assert 0.01 < found < 0.9


@pytest.mark.parametrize("n_groups", [2, 4])
def test_cosine_silhouettes_are_the_librarys(n_groups: int) -> None:
    data = blobs(240, n_batches=n_groups, shift=2)
    groups = np.unique(data.batches, return_inverse=True)[1]
    found = cosine_silhouettes(data.points.astype(np.float64), groups)
    expected = silhouette_samples(
        data.points, groups, metric="cosine", between_cluster_distances="mean_other"
    )
    assert found == pytest.approx(expected, abs=5e-6)
    assert np.abs(found).max() > 0.1


@pytest.mark.parametrize("along", ["one point", "one ray"])
def test_cells_in_one_direction_are_mixed_perfectly(along: str) -> None:
    """Cosine distances are 0 then, but for rounding, of which a ratio could be anything."""
    random = np.random.default_rng(0)
    directions = random.normal(size=(3, 8))
    labels = np.arange(300) % 3
    lengths = np.ones((300, 1)) if along == "one point" else random.uniform(0.5, 9, (300, 1))
    points = (directions[labels] * lengths).astype(np.float32)
    batches = random.integers(0, 2, 300)
    assert value_of("bras", case_of(points, labels, batches)) == pytest.approx(1.0, abs=0.01)


def test_cosine_silhouettes_of_a_cell_alone_in_its_batch() -> None:
    points = blobs(40).points
    groups = np.array([0] * 20 + [1] * 19 + [2])
    found = cosine_silhouettes(points.astype(np.float64), groups)
    expected = silhouette_samples(
        points, groups, metric="cosine", between_cluster_distances="mean_other"
    )
    assert found[39] == 0
    assert found == pytest.approx(expected, abs=5e-6)
