"""UMAP in two dimensions, for a picture: quick to import, exact, and the same every time.

UMAP is McInnes, Healy and Melville (2018), arXiv:1802.03426. ``import umap`` compiles for 10 s and
more (all its metrics, pynndescent) and keeps little of it on disk, so what a picture needs is here:
exact neighbours, the fuzzy graph of section 3 in numpy, and the optimisation of ``umap.layouts`` as
one function, whose compiled code numba keeps.

This file imports nothing of multiverse. Run alone, it lays out random points, which fills
``NUMBA_CACHE_DIR`` with everything that a real run needs::

    NUMBA_CACHE_DIR=/opt/multiverse/numba python umap_layout.py
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from functools import cache
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
#: Dimensions up to which all principal axes are computed, of which two are needed.
MAX_DECOMPOSED = 2_000
#: Cells that a cell is moved away from, for each use of an edge.
NEGATIVE_RATE = 5.0
#: umap-learn's random numbers: mask, shifts and 32 bits of each of three Tausworthe generators.
TAUSWORTHE = ((4294967294, 12, 13, 19), (4294967288, 4, 2, 25), (4294967280, 17, 3, 11))
LOW = 0xFFFFFFFF


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
    placed = _start(points, random)
    state = random.randint(-(2**31) + 1, 2**31 - 2, 3).astype(np.int64)
    optimise(placed, head, tail, weight.max() / weight, state)
    return placed


def optimise(
    placed: Points,
    head: NDArray[np.int32],
    tail: NDArray[np.int32],
    every: NDArray[np.float64],
    state: NDArray[np.int64],
    n_epochs: int = N_EPOCHS,
) -> None:
    """Bring cells that share an edge together and others apart, by stochastic gradient descent.

    Parameters
    ----------
    placed
        Cells × 2, C-ordered; moved in place.
    head, tail, every
        The two cells of each edge, (n_edges,), and the epochs between two uses of it.
    state
        Three whole numbers, from which the random numbers of every cell are made.
    """
    own = placed[:, :1].astype(np.float64).view(np.int64)  # as umap-learn tells cells apart
    # Here and not in the kernel, whose fast mathematics rounds a division otherwise.
    rates = 1.0 - np.maximum(np.arange(n_epochs) - 1.0, 0) / n_epochs
    _compiled()(placed, head, tail, every, state + own, rates)


def nearest_neighbours(points: Points, k: int) -> tuple[NDArray[np.int32], Points]:
    """Find exact Euclidean neighbours of ``points`` (n_cells, n_dims), the point itself first.

    Returns indices and distances, (n_cells, k).
    """
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
    """Find neighbours of 500 points from ``first`` on; ties go to the lower index."""
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
    """Build the symmetric fuzzy graph of neighbours (n_cells, k): rows, columns and weights.

    Each is (n_edges,), weights are 0 to 1.

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
    """Find sigma and rho of every cell, by bisection on all cells at once."""
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
    """Keep edges that are used at least once in all epochs."""
    keep = weights >= weights.max() / N_EPOCHS
    return rows[keep], columns[keep], weights[keep].astype(np.float64)


def _start(points: Points, random: np.random.RandomState) -> Points:
    """Return the first two principal components, stretched to 0..10, with a little noise."""
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    axes = _principal_axes(centred)
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


def _principal_axes(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first two principal axes of centred points (n_cells, n_dims), (n_dims, 2)."""
    if centred.shape[1] <= MAX_DECOMPOSED:
        _, vectors = np.linalg.eigh(centred.T @ centred)
        axes: NDArray[np.float64] = vectors[:, ::-1][:, :2]
        return axes
    from scipy.sparse.linalg import svds

    _, _, rows = svds(centred, k=2, v0=np.ones(min(centred.shape)), solver="arpack")
    return np.ascontiguousarray(rows[::-1].T)


def _move(
    placed: Points,
    head: NDArray[np.int32],
    tail: NDArray[np.int32],
    every: NDArray[np.float64],
    states: NDArray[np.int64],
    rates: NDArray[np.float64],
) -> None:
    """Move cells along their edges and away from random others, in place; compiled by numba.

    ``placed`` is (n_cells, 2), ``states`` (n_cells, 3): the random numbers of each cell. ``head``,
    ``tail`` and ``every``, the epochs between two uses, are (n_edges,), ``rates`` (n_epochs,).
    Operations have the order and the types of ``umap.layouts.optimize_layout_euclidean``, so that
    the result is the same.
    """
    every_other = every / NEGATIVE_RATE
    next_use, next_other = every.copy(), every_other.copy()
    for epoch, rate in enumerate(rates):
        for edge in range(len(every)):
            if next_use[edge] > epoch:
                continue
            j, k = head[edge], tail[edge]
            dx, dy = placed[j, 0] - placed[k, 0], placed[j, 1] - placed[k, 1]
            squared = dx * dx + dy * dy
            pull = 0.0
            if squared > 0.0:
                pull = -2.0 * CURVE_A * CURVE_B * squared ** (CURVE_B - 1.0)
                pull /= CURVE_A * squared**CURVE_B + 1.0
            dx, dy = min(max(pull * dx, -4.0), 4.0), min(max(pull * dy, -4.0), 4.0)
            placed[j, 0] += dx * rate
            placed[j, 1] += dy * rate
            placed[k, 0] -= dx * rate
            placed[k, 1] -= dy * rate
            next_use[edge] += every[edge]
            n_others = int((epoch - next_other[edge]) / every_other[edge])
            state = states[j]
            for _ in range(n_others):
                for part, (mask, left, shift, right) in enumerate(TAUSWORTHE):
                    old = state[part]
                    state[part] = (((old & mask) << left) & LOW) ^ (
                        (((old << shift) & LOW) ^ old) >> right
                    )
                k = np.int32(state[0] ^ state[1] ^ state[2]) % len(placed)
                dx, dy = placed[j, 0] - placed[k, 0], placed[j, 1] - placed[k, 1]
                squared = dx * dx + dy * dy
                if squared > 0.0:
                    push = 2.0 * CURVE_B / ((0.001 + squared) * (CURVE_A * squared**CURVE_B + 1))
                    placed[j, 0] += min(max(push * dx, -4.0), 4.0) * rate
                    placed[j, 1] += min(max(push * dy, -4.0), 4.0) * rate
            next_other[edge] += n_others * every_other[edge]


@cache
def _compiled() -> Callable[..., None]:
    import numba

    compiled: Callable[..., None] = numba.njit(fastmath=True, cache=True)(_move)
    return compiled


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
