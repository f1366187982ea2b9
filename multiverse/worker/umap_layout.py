"""UMAP in two dimensions, for a picture: quick to import, exact, and the same every time.

UMAP is McInnes, Healy and Melville (2018), arXiv:1802.03426. The optimisation is umap-learn's
own ``umap.layouts``. Around it, what makes ``import umap`` slow is left out: the neighbours
are exact instead of approximate (no pynndescent), the fuzzy graph of section 3 is a few lines
of numpy, and compiled code is kept on disk, which umap-learn does for few of its functions.

This file imports nothing of multiverse. Run alone, it lays out random points, which fills
``NUMBA_CACHE_DIR`` with everything that a real run needs::

    NUMBA_CACHE_DIR=/opt/multiverse/numba python umap_layout.py
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

#: Neighbours of a cell, itself included; umap-learn's default.
N_NEIGHBORS = 15
N_EPOCHS = 200
#: Above this, brute force in numpy is slower than importing scikit-learn for it.
NUMPY_MAX_CELLS = 6_000
#: The curve 1 / (1 + a d^(2b)) that umap-learn fits for min_dist 0.5, spread 1 (scanpy's choice).
CURVE_A, CURVE_B = 0.5830300203414425, 1.3341669924314914
MIN_CELLS = N_NEIGHBORS + 1


def layout(latent: NDArray[Any], *, seed: int) -> Points:
    """Lay cells out in the plane.

    Parameters
    ----------
    latent
        Cells × dimensions, finite; at least ``MIN_CELLS`` cells that are not all equal.
    seed
        Seed of the optimisation. The same input, seed and thread count give the same bits.

    Returns
    -------
    Cells × 2, float32.
    """
    points = np.ascontiguousarray(latent, dtype=np.float32)
    if points.ndim != 2 or len(points) < MIN_CELLS:
        raise ValueError(f"a UMAP layout needs at least {MIN_CELLS} cells")
    random = np.random.RandomState(seed % 2**32)
    indices, distances = nearest_neighbours(points, N_NEIGHBORS)
    head, tail, weight = _strong_edges(*fuzzy_graph(indices, distances))
    start = _start(points, random)
    state = random.randint(-(2**31) + 1, 2**31 - 2, 3).astype(np.int64)
    with _umap_layouts() as layouts:
        placed: Points = layouts.optimize_layout_euclidean(
            start,
            start,
            head,
            tail,
            N_EPOCHS,
            len(points),
            weight.max() / weight,  # epochs between two uses of an edge
            CURVE_A,
            CURVE_B,
            state,
            gamma=1.0,
            initial_alpha=1.0,
            negative_sample_rate=5.0,
            parallel=False,
            move_other=True,
        )
    return placed


def nearest_neighbours(points: Points, k: int) -> tuple[NDArray[np.int32], Points]:
    """Exact Euclidean neighbours: indices and distances, (n, k), the point itself first."""
    if len(points) > NUMPY_MAX_CELLS:
        from sklearn.neighbors import NearestNeighbors

        finder = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
        distances, indices = finder.kneighbors()
        own = np.arange(len(points))[:, None]
        indices = np.hstack([own, indices[:, : k - 1]]).astype(np.int32)
        distances = np.hstack([np.zeros_like(own), distances[:, : k - 1]]).astype(np.float32)
        return indices, distances
    wide = points.astype(np.float64)
    wide -= wide.mean(axis=0)
    norms = np.einsum("ij,ij->i", wide, wide)
    parts = [_nearest(wide, norms, first, k) for first in range(0, len(wide), 500)]
    return np.vstack([part[0] for part in parts]), np.vstack([part[1] for part in parts])


def _nearest(
    points: NDArray[np.float64], norms: NDArray[np.float64], first: int, k: int
) -> tuple[NDArray[np.int32], Points]:
    """Neighbours of 500 points from ``first`` on; ties go to the lower index."""
    block = points[first : first + 500]
    rows = np.arange(len(block))
    squared = norms[None, :] - 2 * (block @ points.T) + norms[first : first + 500, None]
    squared[rows, rows + first] = -np.inf
    chosen = np.sort(np.argpartition(squared, k - 1, axis=1)[:, :k], axis=1)
    near = np.take_along_axis(squared, chosen, axis=1)
    order = np.argsort(near, axis=1, kind="stable")
    distances = np.sqrt(np.maximum(np.take_along_axis(near, order, axis=1), 0))
    return (
        np.take_along_axis(chosen, order, axis=1).astype(np.int32),
        distances.astype(np.float32),
    )


def fuzzy_graph(
    indices: NDArray[np.int32], distances: Points
) -> tuple[NDArray[np.int32], NDArray[np.int32], Points]:
    """The symmetric fuzzy graph: rows, columns and weights (0 to 1) of its edges.

    Membership is exp(-(d - rho) / sigma), with rho the distance of the nearest neighbour and
    sigma such that memberships sum to log2(k); two directions join as a + b - ab (section 3.1).
    """
    from scipy.sparse import coo_matrix

    n, k = indices.shape
    sigma, rho = _local_scales(distances.astype(np.float64))
    excess = np.maximum(distances - rho[:, None], 0)
    # A cell that has only copies of itself for neighbours belongs to them fully.
    strength = np.exp(-np.divide(excess, sigma[:, None], out=excess, where=sigma[:, None] > 0))
    strength[indices == np.arange(n)[:, None]] = 0
    rows = np.repeat(np.arange(n), k)
    one_way = coo_matrix((strength.ravel(), (rows, indices.ravel())), shape=(n, n)).tocsr()
    one_way.eliminate_zeros()
    other = one_way.T.tocsr()
    both = (one_way + other - one_way.multiply(other)).tocoo()
    return both.row.astype(np.int32), both.col.astype(np.int32), both.data.astype(np.float32)


def _local_scales(distances: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """sigma and rho of every cell, by bisection on all cells at once."""
    positive = np.where(distances > 0, distances, np.inf)
    rho = positive.min(axis=1)
    rho[~np.isfinite(rho)] = 0.0
    excess = np.maximum(distances[:, 1:] - rho[:, None], 0)
    target = np.log2(distances.shape[1])
    low, high, sigma = np.zeros(len(rho)), np.full(len(rho), np.inf), np.ones(len(rho))
    for _ in range(64):
        total = np.exp(-excess / sigma[:, None]).sum(axis=1)
        active = np.abs(total - target) >= 1e-5
        if not active.any():
            break
        large = active & (total > target)
        small = active & ~large
        high[large] = sigma[large]
        low[small] = sigma[small]
        middle = np.where(np.isfinite(high), (low + high) / 2, sigma * 2)
        sigma = np.where(active, middle, sigma)
    least = np.where(rho > 0, distances.mean(axis=1), distances.mean())
    return np.maximum(sigma, 1e-3 * least), rho


def _strong_edges(
    rows: NDArray[np.int32], columns: NDArray[np.int32], weights: Points
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Edges that are used at least once in all epochs."""
    keep = weights >= weights.max() / N_EPOCHS
    return rows[keep], columns[keep], weights[keep].astype(np.float64)


def _start(points: Points, random: np.random.RandomState) -> Points:
    """The first two principal components, each stretched to 0..10, with a little noise."""
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    start = centred @ axes
    if start.shape[1] == 1:
        start = np.hstack([start, np.zeros_like(start)])
    start *= 10 / np.abs(start).max()
    start += random.normal(scale=1e-4, size=start.shape)
    start -= start.min(axis=0)
    spread = np.maximum(start.max(axis=0), 1e-12)
    placed: Points = np.ascontiguousarray(10 * start / spread, dtype=np.float32)
    return placed


@contextmanager
def _umap_layouts() -> Iterator[Any]:
    """The module ``umap.layouts``, imported without what it doesn't need.

    ``import umap`` runs the whole package (pynndescent, scikit-learn, a search for tensorflow),
    and compiles for 10 s or more. ``umap.layouts`` needs none of it: ``umap.distances`` serves
    metrics other than the Euclidean one, and ``umap.utils`` takes one function from scikit-learn
    that a layout never calls. Stand-ins take their places while the block runs (numba looks
    modules up by name when it loads compiled code), so that a later ``import umap`` is the real
    one. If the real one is there already, it is used.
    """
    if "umap.layouts" in sys.modules and not _light_modules:
        yield sys.modules["umap.layouts"]
        return
    with _modules_in_place(_light_modules or _stand_ins()):
        if not _light_modules:
            with _modules_in_place(_no_sklearn()), compiled_code_kept():
                importlib.import_module("umap.layouts")
            _light_modules.update({n: m for n, m in sys.modules.items() if _is_part(n, "umap")})
        yield sys.modules["umap.layouts"]


_light_modules: dict[str, types.ModuleType] = {}


def _stand_ins() -> dict[str, types.ModuleType]:
    specification = importlib.util.find_spec("umap")
    if specification is None:
        raise ModuleNotFoundError("umap-learn is not installed", name="umap")
    package = _empty_module("umap")
    package.__path__ = list(specification.submodule_search_locations or ())
    distances = _empty_module("umap.distances")
    package.distances = distances  # type: ignore[attr-defined]
    return {"umap": package, "umap.distances": distances}


def _no_sklearn() -> dict[str, types.ModuleType]:
    if "sklearn" in sys.modules:
        return {}
    names = ("sklearn", "sklearn.utils", "sklearn.utils.validation")
    return {name: _empty_module(name) for name in names}


def _empty_module(name: str) -> types.ModuleType:
    """A package without content: whatever is imported from it is None."""
    module = types.ModuleType(name)
    module.__path__ = []
    module.__getattr__ = lambda _: None  # type: ignore[method-assign]
    return module


@contextmanager
def _modules_in_place(modules: dict[str, types.ModuleType]) -> Iterator[None]:
    """Within the block, these packages consist of these modules only."""
    packages = {name.partition(".")[0] for name in modules}

    def parts() -> list[str]:
        return [name for name in sys.modules if any(_is_part(name, part) for part in packages)]

    before = {name: sys.modules.pop(name) for name in parts()}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in parts():
            del sys.modules[name]
        sys.modules.update(before)


def _is_part(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@contextmanager
def compiled_code_kept() -> Iterator[None]:
    """Within the block, functions that numba compiles are kept in its cache on disk."""
    import numba

    compile_function = numba.njit

    def keep(*arguments: Any, **options: Any) -> Callable[..., Any]:
        if arguments and callable(arguments[0]):
            return keep(*arguments[1:], **options)(arguments[0])  # type: ignore[no-any-return]
        decorate: Callable[..., Any] = compile_function(*arguments, **{"cache": True, **options})
        return decorate

    numba.njit = keep
    try:
        yield
    finally:
        numba.njit = compile_function


def _warm_up() -> None:
    """Fill the caches of numba, and of matplotlib where it is installed."""
    points = np.random.RandomState(0).normal(size=(200, 10))
    layout(points, seed=0)
    folder = os.environ.get("NUMBA_CACHE_DIR")
    if folder and importlib.util.find_spec("matplotlib"):
        os.environ["MPLCONFIGDIR"] = str(Path(folder) / "matplotlib")
        importlib.import_module("matplotlib.font_manager")


if __name__ == "__main__":
    _warm_up()
