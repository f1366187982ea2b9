"""What the model recovers from data drawn from itself."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from multiverse.models.cobolt.embedding import embed_cells
from tests.inside.cobolt.planted import Array, Planted, fitted, plant


@pytest.fixture(scope="module")
def planted() -> Planted:
    """Five topics in two batches whose features differ by a standard deviation of 1 in log."""
    return plant(300, batch_effect=1.0)


def latent(planted: Planted, *, batch_terms: bool, epochs: int) -> Array:
    network, settings = fitted(
        planted.data,
        alpha=0.3,
        max_epochs=epochs,
        annealing_epochs=10,
        intercept=batch_terms,
        slope=batch_terms,
    )
    return embed_cells(network, planted.data, settings).values


def matched_correlations(found: Array, truth: Array) -> Array:
    """Correlation of each planted topic with the one that is matched to it."""
    n_topics = truth.shape[1]
    between = np.corrcoef(found.T, truth.T)[:n_topics, n_topics:]
    return np.asarray(between[linear_sum_assignment(-between)])


def batch_accuracy(values: Array, batch: NDArray[np.str_]) -> float:
    return float(cross_val_score(KNeighborsClassifier(15), values, batch, cv=5).mean())


def test_planted_topics_are_recovered_and_batches_are_not(planted: Planted) -> None:
    values = latent(planted, batch_terms=True, epochs=40)
    assert matched_correlations(softmax(values, axis=1), planted.proportions).min() > 0.9
    assert batch_accuracy(values, planted.batch) < 0.65


def test_without_batch_terms_the_batch_is_in_the_embedding(planted: Planted) -> None:
    values = latent(planted, batch_terms=False, epochs=15)
    assert batch_accuracy(values, planted.batch) > 0.9
