"""Each preprocessing step against its definition, written out with dense arrays."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from mudata import read_h5mu
from scipy.sparse import csr_matrix, issparse

from multiverse.worker.preprocess import (
    as_counts,
    clr,
    clr_non_negative,
    log_normalise,
    seen_features,
    tfidf,
    variable_genes,
    variable_peaks,
)
from tests.conftest import shared_dataset


@pytest.fixture
def counts() -> csr_matrix:
    """40 cells × 25 features with an empty cell, an empty feature and a stored zero."""
    random = np.random.default_rng(1)
    dense = random.poisson(random.gamma(0.4, 1.5, size=25), size=(40, 25)).astype(np.float32)
    dense[3] = 0
    dense[:, 5] = 0
    matrix = csr_matrix(dense)
    matrix.data[0] = 0
    return as_counts(matrix)


def test_counts_are_copied_and_store_no_zeros(counts: csr_matrix) -> None:
    source = csr_matrix(np.array([[0, 2], [3, 0]], dtype=np.int64))
    source.data[0] = 0
    cleaned = as_counts(source)
    assert (cleaned.nnz, source.nnz, str(cleaned.dtype)) == (1, 2, "float32")
    assert counts.nnz == (counts.toarray() != 0).sum()


@pytest.mark.parametrize("min_cells", [1, 3, 10, 41])
def test_feature_filter_counts_cells(counts: csr_matrix, min_cells: int) -> None:
    expected = (counts.toarray() > 0).sum(axis=0) >= min_cells
    assert (seen_features(counts, min_cells) == expected).all()


def test_log_normalise_is_its_definition(counts: csr_matrix) -> None:
    dense = counts.toarray().astype(np.float64)
    totals = dense.sum(axis=1, keepdims=True)
    expected = np.log1p(1e4 * dense / np.where(totals == 0, 1, totals))
    values = log_normalise(counts)
    assert issparse(values)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values.toarray(), expected, rtol=1e-5)
    assert not values.toarray()[3].any()


def test_tfidf_is_its_definition(counts: csr_matrix) -> None:
    dense = counts.toarray().astype(np.float64)
    totals = dense.sum(axis=1, keepdims=True)
    frequency = dense / np.where(totals == 0, 1, totals)
    rarity = np.log(1 + len(dense) / (1 + (dense > 0).sum(axis=0)))
    values = tfidf(counts)
    assert issparse(values)
    np.testing.assert_allclose(values.toarray(), np.log1p(1e4 * frequency * rarity), rtol=1e-5)
    assert values.min() >= 0


def test_clr_is_its_definition(counts: csr_matrix) -> None:
    logs = np.log1p(counts.toarray().astype(np.float64))
    geometric = np.exp(logs.mean(axis=1, keepdims=True))
    np.testing.assert_allclose(clr(counts), logs - np.log(geometric), atol=1e-6)
    np.testing.assert_allclose(clr(counts).sum(axis=1), 0, atol=1e-4)
    plain = clr_non_negative(counts)
    np.testing.assert_allclose(plain, np.log1p(counts.toarray() / geometric), atol=1e-6)
    assert plain.min() >= 0
    assert np.isfinite(plain).all()


def test_variable_peaks_are_those_nearest_to_half_open() -> None:
    open_in = [0, 1, 9, 5, 10, 4]
    dense = np.zeros((10, 6))
    for peak, n_cells in enumerate(open_in):
        dense[:n_cells, peak] = 3
    mask = variable_peaks(as_counts(dense), 3)
    # 5 and 4 of 10 vary most; 1 and 9 of 10 equally, so the first of them is taken.
    assert mask.tolist() == [False, True, False, True, False, True]


@pytest.mark.parametrize(
    ("slug", "batch_key", "n_top"),
    [
        ("pbmc_citeseq_2batch", "batch", 1000),
        ("pbmc_citeseq_2batch", None, 2000),
        ("mop_snareseq_2k", None, 500),
    ],
)
def test_variable_genes_are_those_of_scanpy(slug: str, batch_key: str | None, n_top: int) -> None:
    scanpy = pytest.importorskip("scanpy")
    part: AnnData = read_h5mu(shared_dataset(slug))["rna"]
    counts = as_counts(part.X)
    batch = None if batch_key is None else part.obs[batch_key].astype(str).to_numpy(dtype=str)
    if batch_key is not None:
        part.obs[batch_key] = part.obs[batch_key].astype("category")
    table = scanpy.pp.highly_variable_genes(
        part, flavor="seurat_v3", n_top_genes=n_top, batch_key=batch_key, inplace=False
    )
    mask = variable_genes(counts, n_top, batch)
    assert mask.sum() == n_top
    assert (mask == table["highly_variable"].to_numpy()).mean() > 0.999


def test_genes_are_chosen_where_scanpy_gives_up() -> None:
    """Batches of 250 shallow cells: the local regression of some has no solution."""
    part: AnnData = read_h5mu(shared_dataset("mop_snareseq_2k"))["rna"]
    batch = part.obs["batch"].astype(str).to_numpy(dtype=str)
    mask = variable_genes(as_counts(part.X), 500, batch)
    assert mask.sum() == 500
    pooled = variable_genes(as_counts(part.X), 500)
    assert (mask & pooled).sum() > 250


def test_few_genes_are_all_kept(counts: csr_matrix) -> None:
    assert variable_genes(counts, 25).all()


def test_genes_with_too_few_means_for_a_local_regression() -> None:
    random = np.random.default_rng(0)
    dense = np.ones((20, 4))
    dense[:, 3] = random.integers(0, 9, size=20)
    mask = variable_genes(as_counts(dense), 1)
    assert mask.tolist() == [False, False, False, True]


def test_a_batch_of_one_cell_is_no_batch_to_rank_genes_in(counts: csr_matrix) -> None:
    batch = np.array(["a"] * 39 + ["b"])
    alone = variable_genes(counts[:39], 5)
    assert (variable_genes(counts, 5, batch) == alone).all()
