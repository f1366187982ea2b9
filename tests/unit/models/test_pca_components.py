"""The arithmetic of pca against dense linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from multiverse.models.pca import components
from multiverse.models.pca.components import Centred, Matrix, principal_components
from multiverse.models.pca.joint import Weighting, joint_components

Array = NDArray[np.float64]


def matrix(rows: int, columns: int, seed: int = 0) -> Array:
    """Rank 6 plus noise, three quarters zeros."""
    random = np.random.default_rng(seed)
    dense = random.normal(size=(rows, 6)) @ random.normal(size=(6, columns)) * 3
    dense += random.normal(size=dense.shape) + 2
    return np.asarray(dense * (random.random(dense.shape) < 0.25))


def reference(dense: Array, k: int) -> tuple[Array, Array]:
    left, values, _ = np.linalg.svd(dense - dense.mean(axis=0), full_matrices=False)
    return left[:, :k] * values[:k], values[:k]


@pytest.mark.parametrize("shape", [(60, 200), (200, 60)])
@pytest.mark.parametrize("small", [0, 1000])
@pytest.mark.parametrize("sparse", [True, False])
def test_components_are_those_of_the_centred_matrix(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], small: int, sparse: bool
) -> None:
    monkeypatch.setattr(components, "SMALL", small)
    dense = matrix(*shape)
    found = principal_components(csr_matrix(dense) if sparse else dense, 8)
    scores, values = reference(dense, 8)
    np.testing.assert_allclose(found.singular_values, values, rtol=1e-8)
    np.testing.assert_allclose(np.abs(found.scores), np.abs(scores), atol=1e-6)
    farthest = np.abs(found.scores).argmax(axis=0)
    assert (found.scores[farthest, np.arange(8)] > 0).all()


def test_the_iterative_solver_repeats_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "SMALL", 0)
    sparse = csr_matrix(matrix(300, 120))
    np.random.seed(1)
    first = principal_components(sparse, 10).scores
    np.random.seed(2)
    assert np.array_equal(first, principal_components(sparse, 10).scores)


def test_components_stop_at_the_rank() -> None:
    log_ratios = np.random.default_rng(0).normal(size=(50, 8))
    log_ratios -= log_ratios.mean(axis=1, keepdims=True)
    assert principal_components(log_ratios, 50).scores.shape == (50, 7)
    assert principal_components(matrix(5, 40), 50).scores.shape == (5, 4)


def test_centred_products() -> None:
    dense = matrix(30, 20)
    centred = Centred.of(csr_matrix(dense))
    plain = dense - dense.mean(axis=0)
    right, left = np.random.default_rng(0).normal(size=(20, 3)), np.ones((30, 2))
    left[:7] = -2
    np.testing.assert_allclose(centred.times(right), plain @ right)
    np.testing.assert_allclose(centred.transposed_times(left), plain.T @ left, atol=1e-10)
    assert centred.squared_norm() == pytest.approx((plain**2).sum())


@pytest.mark.parametrize("weighting", ["mfa", "variance"])
def test_joint_components_are_those_of_weighted_blocks(weighting: Weighting) -> None:
    big, little = matrix(80, 150) * 50, matrix(80, 12, seed=1)
    blocks = [part - part.mean(axis=0) for part in (big, little)]
    norm = {"mfa": 2, "variance": "fro"}[weighting]
    balanced = np.hstack([part / np.linalg.norm(part, norm) for part in blocks])  # type: ignore[call-overload]
    expected, _ = reference(balanced, 5)
    modalities: dict[str, Matrix] = {"rna": csr_matrix(big), "adt": little}
    joint = joint_components(modalities, 79, weighting=weighting)
    np.testing.assert_allclose(np.abs(joint.scores[:, :5]), np.abs(expected), atol=1e-6)
    joint = joint_components(modalities, 12, weighting=weighting)
    pooled = joint_components(modalities, 12, weighting="none")
    assert pooled.explained["adt"] < joint.explained["adt"]


def with_depth(n_cells: int = 120) -> tuple[dict[str, csr_matrix], dict[str, Array]]:
    """Two modalities of the same rank; the first feature of one is little but its depth."""
    depth = np.random.default_rng(3).normal(size=n_cells)
    deep = matrix(n_cells, 60, seed=4)
    deep[:, 0] = 200 * depth + deep[:, 0]
    plain = matrix(n_cells, 50, seed=5)
    unrelated = np.random.default_rng(6).normal(size=n_cells)
    return (
        {"rna": csr_matrix(plain), "atac": csr_matrix(deep)},
        {"rna": unrelated, "atac": depth},
    )


def test_what_follows_depth_is_left_out_and_the_next_takes_its_place() -> None:
    modalities, depths = with_depth()
    one = {"atac": modalities["atac"]}
    usual = joint_components(one, 9, depths=depths)
    dropped = joint_components(one, 8, depths=depths, drop_depth=True)
    assert abs(usual.own["atac"].correlations[0]) > 0.99
    assert usual.own["atac"].n_dropped == 0
    assert dropped.own["atac"].n_dropped == 1
    np.testing.assert_allclose(dropped.scores, usual.scores[:, 1:], atol=1e-6)
    assert len(dropped.own["atac"].correlations) == 9, "what was dropped is told too"


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("weighting", ["mfa", "variance"])
def test_depth_decides_no_weight(weighting: Weighting, drop: bool) -> None:
    """Ten times as much of it: the blocks of all other components keep their sizes."""
    modalities, depths = with_depth()
    more = modalities["atac"].toarray()
    more[:, 0] *= 10
    sizes = [
        joint_components(
            {**modalities, "atac": csr_matrix(atac)},
            8,
            weighting=weighting,
            depths=depths,
            drop_depth=drop,
        )
        .own["atac"]
        .size
        for atac in (modalities["atac"].toarray(), more)
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)
    of_depth = np.linalg.norm(more[:, 0] - more[:, 0].mean())
    assert sizes[1] < of_depth / 50


def test_a_modality_that_is_all_depth_is_kept() -> None:
    """There is nothing else to keep: the result says that it follows depth, and no run fails."""
    depth = np.arange(40.0)
    joint = joint_components(
        {"adt": np.outer(depth, [1.0, 2.0])}, 5, depths={"adt": depth}, drop_depth=True
    )
    assert joint.scores.shape == (40, 1)
    assert joint.own["adt"].n_dropped == 0
    assert abs(joint.own["adt"].correlations[0]) == pytest.approx(1)


def test_explained_variance_is_the_share_inside_the_scores() -> None:
    dense = matrix(70, 40)
    joint = joint_components({"rna": csr_matrix(dense)}, 4)
    _, values = reference(dense, 40)
    assert joint.explained["rna"] == pytest.approx((values[:4] ** 2).sum() / (values**2).sum())
