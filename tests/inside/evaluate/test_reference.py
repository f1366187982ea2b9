"""The reference of neighbourhoods: against its definition, scanpy, and as a judge of recipes."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from mudata import read_h5mu
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.evaluation import reference
from multiverse.evaluation.modalities import ModalityView, read_modalities
from multiverse.evaluation.neighbours import Matrix, find_neighbours, shared
from multiverse.evaluation.reference import PearsonResiduals, pearson_components
from tests.conftest import shared_dataset
from tests.inside.evaluate.cases import case_of, value_of

Wide = NDArray[np.float64]


def counts(n_cells: int = 90, n_features: int = 60, seed: int = 0) -> csr_matrix:
    """Cells of three kinds and of very different depth."""
    random = np.random.default_rng(seed)
    rates = random.gamma(0.4, 2, size=(3, n_features))[np.arange(n_cells) % 3]
    depth = random.lognormal(sigma=0.8, size=(n_cells, 1))
    return csr_matrix(random.poisson(rates * depth), dtype=np.float32)


def by_definition(matrix: csr_matrix) -> Wide:
    """Residuals, one value after another (Lause et al. 2021, equations 3 to 5)."""
    dense = matrix.toarray().astype(float)
    n_cells, n_features = dense.shape
    found = np.zeros_like(dense)
    for cell in range(n_cells):
        for feature in range(n_features):
            mu = dense[cell].sum() * dense[:, feature].sum() / dense.sum()
            if mu > 0:
                z = (dense[cell, feature] - mu) / np.sqrt(mu + mu**2 / 100)
                found[cell, feature] = np.clip(z, -np.sqrt(n_cells), np.sqrt(n_cells))
    return found


def residuals_of(matrix: csr_matrix) -> Wide:
    every = np.arange(matrix.shape[1])
    return np.vstack([block for _, block in PearsonResiduals.of(matrix).blocks(every)])


@pytest.fixture(params=[7, 4 * 1024**2])
def _blocks_of_any_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "BLOCK_VALUES", request.param)


@pytest.mark.usefixtures("_blocks_of_any_size")
def test_residuals_and_their_variances_are_the_definition() -> None:
    matrix = counts()
    matrix[5] = 0
    matrix[:, 9] = 0
    matrix = csr_matrix(matrix)
    matrix.eliminate_zeros()
    expected = by_definition(matrix)
    np.testing.assert_allclose(residuals_of(matrix), expected, atol=1e-10)
    variances = PearsonResiduals.of(matrix).variances()
    np.testing.assert_allclose(variances, expected.var(axis=0), atol=1e-10)
    assert variances[9] == 0


@pytest.mark.usefixtures("_blocks_of_any_size")
def test_components_are_those_of_the_most_variable_residuals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reference, "N_FEATURES", 20)
    matrix = counts()
    residuals = by_definition(matrix)
    chosen = residuals[:, np.argsort(-residuals.var(axis=0))[:20]]
    left, values, _ = np.linalg.svd(chosen - chosen.mean(axis=0), full_matrices=False)
    found = pearson_components(matrix)
    assert found.shape == (90, 20)
    np.testing.assert_allclose(np.abs(found), np.abs(left * values), atol=1e-4)


def test_residuals_are_scanpys() -> None:
    import scanpy
    from anndata import AnnData

    matrix = counts(n_features=40, seed=1)
    matrix = matrix[:, np.asarray(matrix.sum(axis=0)).ravel() > 0]
    data = AnnData(matrix.astype(np.float64))
    scanpy.experimental.pp.normalize_pearson_residuals(data)
    np.testing.assert_allclose(residuals_of(csr_matrix(matrix)), data.X, atol=1e-6)


def test_few_cells_or_features_have_fewer_components() -> None:
    assert pearson_components(counts(12, 60)).shape == (12, 11)
    assert pearson_components(counts(60, 4)).shape == (60, 4)
    large = pearson_components(counts(300, 200))
    assert large.shape == (300, 50)
    lengths = np.linalg.norm(large, axis=0)
    assert (np.diff(lengths) <= 1e-3).all()


def test_depth_alone_is_no_structure() -> None:
    """Cells of one kind, some ten times as deep: their neighbours are no equally deep cells."""
    random = np.random.default_rng(2)
    depth = np.repeat([1.0, 10.0], 150)[:, None]
    matrix = csr_matrix(random.poisson(random.gamma(2, 0.5, size=400) * depth), dtype=np.float32)
    near = find_neighbours(pearson_components(matrix), 16, exact=True).others(15)
    deep = (near >= 150).mean(axis=1)
    assert 0.2 < deep[:150].mean() < 0.8
    logs = np.log1p(matrix.toarray()).astype(np.float32)
    near = find_neighbours(logs, 16, exact=True).others(15)
    assert (near >= 150).mean(axis=1)[:150].mean() < 0.01


def views_of(slug: str) -> dict[str, ModalityView]:
    path, log = shared_dataset(slug), logging.getLogger(__name__)
    names = list(read_h5mu(path).mod)
    return read_modalities(path, names, None, EvaluationSettings(), log)


def square_roots(slug: str, modality: str) -> Matrix:
    """50 components of the roots of shares: as linear as ``pca``, and another recipe."""
    from sklearn.decomposition import PCA

    matrix = read_h5mu(shared_dataset(slug))[modality].X
    totals = np.maximum(np.asarray(matrix.sum(axis=1)), 1)
    roots = matrix.multiply(1 / totals).sqrt().toarray()
    wanted = min(50, roots.shape[1] - 1)
    points = PCA(wanted, svd_solver="arpack", random_state=0).fit_transform(roots)
    return np.ascontiguousarray(points, dtype=np.float32)


@pytest.mark.data
@pytest.mark.parametrize("slug", ["pbmc_citeseq_2batch", "mop_snareseq_2k"])
def test_the_baselines_recipe_has_no_lead_built_in(slug: str) -> None:
    """Against its own components pca had 1, another recipe as good a third or a half of that."""
    view = views_of(slug)["rna"]
    other = square_roots(slug, "rna")
    with_itself = find_neighbours(view.points, 16, exact=True).others(15)
    before = shared(with_itself, find_neighbours(other, 16, exact=True).others(15)).mean()
    assert before < 0.6, "where pca has 1"
    ours, others = (
        value_of("neighbourhood_preservation", case_of(points, views=[view]))
        for points in (view.points, other)
    )
    assert 0.1 < ours < 0.9
    assert 0.4 < ours / others < 1.5
