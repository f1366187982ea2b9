"""The layout against umap-learn itself, its repeatability, and what it must not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from multiverse.worker import umap_layout


@pytest.mark.parametrize("n_cells", [30, 300])
def test_principal_axes_of_wide_points(n_cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of thousands of axes are computed alone, and are the same up to their sign."""
    points = np.random.default_rng(1).normal(size=(n_cells, 60)) * np.geomspace(9, 1, 60)
    centred = points - points.mean(axis=0)
    all_of_them = umap_layout._principal_axes(centred)
    monkeypatch.setattr(umap_layout, "MAX_DECOMPOSED", 10)
    two = umap_layout._principal_axes(centred)
    assert two.shape == (60, 2)
    np.testing.assert_allclose(np.abs(two), np.abs(all_of_them), atol=1e-8)
    np.testing.assert_array_equal(two, umap_layout._principal_axes(centred))


def blobs(n_cells: int, n_dims: int = 8) -> umap_layout.Points:
    random = np.random.default_rng(3)
    centres = 12 * np.eye(3, n_dims)
    points = centres[np.arange(n_cells) % 3] + random.normal(size=(n_cells, n_dims))
    return points.astype(np.float32)


def test_the_graph_is_that_of_umap_learn() -> None:
    """In a process of its own, as all of umap fills ``sys.modules``; uncompiled, for speed."""
    code = """
import numpy as np, scipy.sparse
from multiverse.worker import umap_layout
points = np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32)
points[5] = points[6] = points[7]
indices, distances = umap_layout.nearest_neighbours(points, 15)
rows, columns, weights = umap_layout.fuzzy_graph(indices, distances)
ours = scipy.sparse.coo_matrix((weights, (rows, columns)), shape=(300, 300))
import umap.umap_
theirs, _, _ = umap.umap_.fuzzy_simplicial_set(
    points, 15, np.random.RandomState(0), "euclidean", knn_indices=indices, knn_dists=distances)
curve = umap.umap_.find_ab_params(1.0, 0.5)
import json
print(json.dumps([abs(ours - theirs).max().item(), *map(float, curve)]))
"""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    worst, a, b = json.loads(done.stdout)
    assert worst < 1e-5  # the tolerance of its own bisection
    assert (a, b) == pytest.approx((umap_layout.CURVE_A, umap_layout.CURVE_B))


@pytest.mark.parametrize("n_cells", [20, 400])
def test_cells_are_moved_as_by_umap_learn_bit_for_bit(n_cells: int) -> None:
    """Its real ``umap.layouts``, compiled; what it never calls here is left out of its import."""
    code = """
import importlib, importlib.util, sys, types
import numpy as np
from multiverse.worker import umap_layout
package = types.ModuleType("umap")
package.__path__ = importlib.util.find_spec("umap").submodule_search_locations
package.distances = types.ModuleType("umap.distances")
sys.modules.update({"umap": package, "umap.distances": package.distances})
package.distances.__getattr__ = lambda name: None
layouts = importlib.import_module("umap.layouts")
random = np.random.default_rng(0)
n = int(sys.argv[1])
points = random.normal(size=(n, 10)).astype(np.float32) + 5 * random.integers(0, 3, (n, 1))
points[3] = points[4]
indices, distances = umap_layout.nearest_neighbours(points.astype(np.float32), 15)
head, tail, weight = umap_layout._strong_edges(*umap_layout.fuzzy_graph(indices, distances))
ours = random.uniform(0, 10, size=(n, 2)).astype(np.float32)
ours[5] = ours[6]  # cells at one place, some of which are joined by an edge
ours[tail[0]] = ours[head[0]]
theirs, start = ours.copy(), ours.copy()
every, state = weight.max() / weight, np.array([2**31 - 2, -17, -(2**31) + 1])
umap_layout.optimise(ours, head, tail, every, state)
layouts.optimize_layout_euclidean(
    theirs, theirs, head, tail, umap_layout.N_EPOCHS, n, every,
    umap_layout.CURVE_A, umap_layout.CURVE_B, state,
    gamma=1.0, initial_alpha=1.0, negative_sample_rate=5.0, parallel=False, move_other=True)
assert np.abs(ours - start).max() > 1
print(np.array_equal(ours, theirs))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(n_cells)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


@pytest.mark.parametrize("n_cells", [40, 1200])
def test_neighbours_are_those_of_scikit_learn(n_cells: int) -> None:
    from sklearn.neighbors import NearestNeighbors

    points = blobs(n_cells)
    indices, distances = umap_layout.nearest_neighbours(points, 15)
    wide = points.astype(np.float64)
    expected = NearestNeighbors(n_neighbors=15, algorithm="brute").fit(wide).kneighbors(wide)
    np.testing.assert_allclose(distances, expected[0], atol=1e-4)
    assert (indices[:, 0] == np.arange(n_cells)).all()
    assert (indices == expected[1]).mean() > 0.99


def test_many_cells_take_another_way_to_the_same_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = blobs(900)
    own = umap_layout.nearest_neighbours(points, 15)
    monkeypatch.setattr(umap_layout, "NUMPY_MAX_CELLS", 100)
    other = umap_layout.nearest_neighbours(points, 15)
    assert (own[0] == other[0]).mean() > 0.99
    np.testing.assert_allclose(own[1], other[1], atol=1e-3)


def test_layout_repeats_bit_for_bit_and_depends_on_the_seed() -> None:
    points = blobs(150)
    first = umap_layout.layout(points, seed=0)
    assert first.shape == (150, 2)
    assert np.array_equal(first, umap_layout.layout(points, seed=0))
    assert not np.array_equal(first, umap_layout.layout(points, seed=1))


def test_layout_separates_what_is_apart() -> None:
    placed = umap_layout.layout(blobs(240), seed=0)
    indices, _ = umap_layout.nearest_neighbours(placed, 11)
    kinds = np.arange(240) % 3
    assert (kinds[indices] == kinds[:, None]).mean() > 0.98


@pytest.mark.parametrize(
    "points",
    [
        np.ones((40, 3)) * np.arange(40)[:, None] // 20,  # only two places
        np.linspace(0, 1, 40)[:, None],  # one dimension
    ],
)
def test_layout_of_degenerate_points_is_finite(points: np.ndarray) -> None:
    assert np.isfinite(umap_layout.layout(points, seed=0)).all()


def test_too_few_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        umap_layout.layout(np.eye(15), seed=0)


def test_alone_it_fills_the_cache_and_a_layout_then_compiles_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    script = str(Path(umap_layout.__file__))
    subprocess.run([sys.executable, script], env=environment, check=True, cwd=tmp_path)
    assert list(tmp_path.rglob("*.nbc"))
    assert list((tmp_path / "matplotlib").glob("fontlist*.json"))
    code = """
import sys, numpy as np, numba
from multiverse.worker import umap_layout
umap_layout.layout(np.random.default_rng(0).normal(size=(60, 5)), seed=3)
stats = umap_layout._compiled().stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
print([name for name in ("sklearn", "pynndescent", "umap", "scipy.stats") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["1 0", "[]"]
