"""Views: what a family of methods gets of each modality, and what is recorded of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData
from scipy.sparse import csr_matrix, issparse

from multiverse.errors import DatasetError, NotApplicable
from multiverse.worker import Job
from multiverse.worker.epochs import EpochLog
from multiverse.worker.job import MemoryTooSmall, memory_limit
from multiverse.worker.preprocess import (
    View,
    clr_non_negative,
    count_views,
    gaussian_views,
    log_normalise,
    non_negative_views,
    tfidf,
)
from tests.unit.worker.worker_jobs import simulate, write_job

Views = Callable[[Job, MuData], list[View]]
ALL = ("rna", "atac", "adt")


def make_job(tmp_path: Path, limit: int | None = None, **settings: Any) -> Job:
    spec = write_job(tmp_path, modalities=ALL, preprocessing=settings)
    log = logging.getLogger("test-views")
    return Job(spec, None, 1, log, EpochLog(tmp_path / "metrics.jsonl", log), limit)


def n_seen(data: MuData, name: str) -> int:
    return int(((data[name].X > 0).sum(axis=0) > 0).sum())


def by_name(views: list[View]) -> dict[str, Any]:
    return {view.name: view.values for view in views}


def test_counts_stay_counts_and_sparse(tmp_path: Path) -> None:
    data, job = simulate(60), make_job(tmp_path, min_cells=1)
    for view in count_views(job, data):
        assert issparse(view.values)
        source = data[view.name][:, list(view.features)].X
        assert (view.values != source).nnz == 0
    assert job.notes.used["features"] == {name: n_seen(data, name) for name in ALL}


def test_non_negative_views_are_their_definitions(tmp_path: Path) -> None:
    data = simulate(60)
    job = make_job(tmp_path, min_cells=1, target_sum=100)
    values = by_name(non_negative_views(job, data))
    # Features stand in the order of the data, whatever their variability.
    for name, expected in (
        ("rna", log_normalise(data["rna"].X, 100)),
        ("atac", tfidf(data["atac"].X)),
    ):
        seen = np.asarray((data[name].X > 0).sum(axis=0)).ravel() > 0
        assert (values[name] != expected[:, seen]).nnz == 0
    np.testing.assert_array_equal(values["adt"], clr_non_negative(data["adt"].X))
    assert all(part.min() >= 0 for part in values.values())
    assert not values["rna"][:2].toarray().any()  # empty cells stay, as zeros


@pytest.mark.parametrize("family", [count_views, gaussian_views, non_negative_views])
def test_every_family_selects_the_same_features(tmp_path: Path, family: Views) -> None:
    data = simulate(60)
    settings: dict[str, Any] = {
        "min_cells": 2,
        "n_top_genes": 30,
        "n_top_peaks": 40,
        "min_peak_share": 0.5,
    }
    views = family(make_job(tmp_path / "a", **settings), data)
    reference = count_views(make_job(tmp_path / "b", **settings), data)
    assert [view.features for view in views] == [view.features for view in reference]
    assert [len(view.features) for view in views] == [30, 40, 10]
    peaks = data["atac"][:, list(views[1].features)].X
    assert ((peaks > 0).sum(axis=0) >= 30).all()


def test_null_keeps_every_feature_that_is_seen(tmp_path: Path) -> None:
    data = simulate(60)
    data["atac"].X = data["atac"].X.multiply(np.arange(200) != 5).tocsr()
    views = count_views(make_job(tmp_path, min_cells=1, n_top_genes=None, n_top_peaks=None), data)
    assert [len(view.features) for view in views] == [n_seen(data, name) for name in ALL]
    assert "atac5" not in views[1].features


def test_proteins_are_filtered_only_if_never_seen(tmp_path: Path) -> None:
    data = simulate(60)
    data["adt"].X = csr_matrix(np.eye(60, 10, dtype=np.float32))
    (adt,) = [v for v in count_views(make_job(tmp_path, min_cells=30), data) if v.name == "adt"]
    assert len(adt.features) == 10


def test_a_modality_without_variation_is_left_out_with_a_warning(tmp_path: Path) -> None:
    data, job = simulate(60), make_job(tmp_path)
    data["adt"].X = csr_matrix(np.zeros((60, 10), np.float32))
    assert [view.name for view in count_views(job, data)] == ["rna", "atac"]
    assert job.notes.warnings == ["adt is left out: no feature is seen in at least 1 cells"]


def test_what_is_left_out_has_its_reason(tmp_path: Path) -> None:
    data, job = simulate(60), make_job(tmp_path, min_cells=61)
    data["adt"].X = csr_matrix(np.ones((60, 10), np.float32))
    with pytest.raises(NotApplicable, match=r"rna: no feature .* at least 61 cells .*adt"):
        count_views(job, data)
    assert job.notes.warnings[-1] == "adt is left out: no feature varies between cells"


def test_cells_that_are_batches_of_their_own_are_ranked_together(tmp_path: Path) -> None:
    data = simulate(60)
    job = make_job(tmp_path, n_top_genes=20)
    alone = replace(job, batch=np.array([f"cell-{number}" for number in range(60)]))
    assert count_views(alone, data)[0].features == count_views(job, data)[0].features


@pytest.mark.parametrize("value", [-1, 0.5, np.inf])
def test_a_count_likelihood_gets_no_other_numbers(tmp_path: Path, value: float) -> None:
    data = simulate(60)
    data["rna"].X = csr_matrix(np.full((60, 120), value, dtype=np.float32))
    with pytest.raises(DatasetError, match="whole, non-negative"):
        count_views(make_job(tmp_path), data)


def test_one_cell_is_too_few(tmp_path: Path) -> None:
    one = MuData({name: AnnData(csr_matrix(np.ones((1, 4), np.float32))) for name in ALL})
    with pytest.raises(NotApplicable, match="at least 2 cells"):
        count_views(make_job(tmp_path), one)


def test_memory_that_will_not_suffice_is_said_early(tmp_path: Path) -> None:
    job = make_job(tmp_path, limit=1024**3)
    job.require_memory(1024**3, "the data")
    with pytest.raises(MemoryTooSmall, match=r"3\.0 GiB .* given 1\.0 GiB"):
        job.require_memory(3 * 1024**3, "the data")
    make_job(tmp_path).require_memory(1e18, "no limit is known")


@pytest.mark.parametrize(("text", "limit"), [("1024", 1024), ("", None), ("lots", None)])
def test_memory_limit_is_what_the_engine_says(text: str, limit: int | None) -> None:
    assert memory_limit({"MULTIVERSE_MEMORY": text}) == limit
