"""Sequencing depth, and which components follow it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import spearmanr

from multiverse.worker.preprocess import depth_correlations, log_depth


def test_depth_is_the_log_of_all_counts() -> None:
    counts = csr_matrix(np.array([[1, 2, 0], [0, 0, 0], [5, 0, 4]], dtype=np.float32))
    np.testing.assert_allclose(log_depth(counts), np.log([4, 1, 10]))


def test_correlations_are_spearmans_with_ties() -> None:
    random = np.random.default_rng(0)
    depth = random.poisson(3, size=80).astype(float)
    components = np.column_stack([depth + random.normal(size=80), -depth, random.normal(size=80)])
    expected = [spearmanr(column, depth).statistic for column in components.T]
    np.testing.assert_allclose(depth_correlations(components, depth), expected, atol=1e-12)
    assert depth_correlations(components, depth)[1] == pytest.approx(-1)


def test_what_is_the_same_everywhere_has_no_correlation() -> None:
    components = np.column_stack([np.arange(9.0), np.full(9, 2.5)])
    assert np.isnan(depth_correlations(components, np.arange(9.0))).tolist() == [False, True]
    assert np.isnan(depth_correlations(components, np.ones(9))).all()
