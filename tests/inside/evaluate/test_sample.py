"""Past the size limit: a stratified, seeded subsample, approximate neighbours, and said so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from multiverse.evaluation.case import Case, stratified
from tests.inside.evaluate.cases import (
    METRICS,
    SHORT,
    Blobs,
    blobs,
    case_of,
    scored,
    value_of,
    view_of,
)

N, LIMIT = 400, 100
LIMITED = SHORT.model_copy(update={"max_cells": LIMIT})


@pytest.fixture(scope="module")
def data() -> Blobs:
    """Two large labels, one of 40 cells and one of 3; a batch of 60 cells."""
    drawn = blobs(N, n_labels=2)
    labels, batches = drawn.labels.copy(), np.array(["big"] * N, dtype=object)
    labels[:40], labels[40:43] = "rare", "rarest"
    batches[np.random.default_rng(1).permutation(N)[:60]] = "small"
    return Blobs(drawn.points, labels, batches)


def limited(data: Blobs, **changes: int) -> Case:
    settings = LIMITED.model_copy(update=changes)
    return case_of(data.points, data.labels, data.batches, settings=settings)


def test_every_stratum_keeps_its_share(data: Blobs) -> None:
    case = limited(data)
    sample = case.sample
    assert abs(sample.n_cells - LIMIT) <= 8  # one a stratum, by rounding
    assert (np.diff(sample.cells) > 0).all()
    for label in np.unique(data.labels):
        for batch in np.unique(data.batches):
            there = (data.labels == label) & (data.batches == batch)
            kept = int(there[sample.cells].sum())
            if there.any():
                assert kept == max(1, round(there.sum() * LIMIT / N))
    assert np.array_equal(sample.points, data.points[sample.cells])
    assert sample.known_labels.names == case.whole.known_labels.names


def test_the_seed_decides(data: Blobs) -> None:
    first, again, other = (limited(data, seed=seed).sample.cells for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_up_to_the_limit_all_cells_are_looked_at(data: Blobs) -> None:
    case = limited(data, max_cells=N)
    assert case.sample is case.labelled
    assert case.whole.neighbours.exact


def test_without_batches_labels_alone_are_the_strata() -> None:
    drawn = blobs(200, n_labels=4)
    case = case_of(drawn.points, drawn.labels)
    rows = stratified(case.whole, 100, 0)
    assert np.bincount(case.whole.known_labels.codes[rows]).tolist() == [25] * 4


def test_every_score_says_what_is_approximate(tmp_path: Path, data: Blobs) -> None:
    case = case_of(
        data.points,
        data.labels,
        data.batches,
        settings=LIMITED,
        views=[view_of("rna", data.points, settings=LIMITED, reference=data.points**3)],
    )
    lines = scored(tmp_path, case, [name for name in METRICS if name != "seed_stability"])
    words = {name: line.approximate for name, line in lines.items()}
    assert {name for name, said in words.items() if said == ("subsample",)} == {
        "silhouette_label",
        "isolated_labels",
    }
    assert {name for name, said in words.items() if not said} == {
        "kmeans_nmi",
        "kmeans_ari",
        "bras",
        "depth_correlation",
        "pcr_comparison",
    }
    assert all(said in {("subsample",), ("neighbours",), ()} for said in words.values())
    assert lines["silhouette_label"].n_cells == case.sample.n_cells
    assert lines["clisi"].n_cells == N


def test_approximations_are_near() -> None:
    drawn = blobs(N)
    exact = case_of(drawn.points, drawn.labels, drawn.batches, settings=SHORT)
    case = case_of(drawn.points, drawn.labels, drawn.batches, settings=LIMITED)
    for name in ("silhouette_label", "isolated_labels", "clisi", "ilisi"):
        assert value_of(name, case) == pytest.approx(value_of(name, exact), abs=0.05), name
