"""MOFA+ by its own package, mofapy2, called directly.

Argelaguet et al. 2020, doi 10.1186/s13059-020-02015-1. mofapy2 prints a great deal, ends the
process by ``sys.exit`` on errors, and wants cells sorted by group; all of that stays in here.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from multiverse.worker import Job
    from multiverse.worker.preprocess import View

Array = NDArray[np.float64]
#: A factor that explains less than this share of the variance of every view is inactive.
INACTIVE_BELOW = 1e-4


@dataclass(frozen=True)
class MofaSettings:
    """mofapy2's options under the names of ``model.yaml``. ``gpu`` is a device number or None."""

    n_factors: int
    max_iterations: int
    convergence_mode: str
    elbo_frequency: int
    scale_views: bool
    scale_groups: bool
    ard_weights: bool
    ard_factors: bool | None
    spikeslab_weights: bool
    spikeslab_factors: bool
    use_float32: bool
    seed: int
    gpu: int | None = None

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, Any], seed: int, gpu: int | None = None
    ) -> MofaSettings:
        own = {name: value for name, value in parameters.items() if name != "groups"}
        return cls(**own, seed=seed, gpu=gpu)


@dataclass(frozen=True)
class MofaFit:
    """A trained model. ``factors`` is (n_cells, n_factors), rows in the order of the input.

    ``bounds`` maps iterations, counted from 1, to the lower bound (ELBO) after them.
    """

    factors: Array
    bounds: Mapping[int, float]
    iterations: int
    converged: bool
    n_groups: int
    explained: Mapping[str, float]
    explained_per_factor: Mapping[str, Array]

    @property
    def elbo(self) -> float:
        """Return the last lower bound that is finite."""
        return [bound for bound in self.bounds.values() if np.isfinite(bound)][-1]

    def inactive(self) -> list[int]:
        """Return the factors that explain nothing in any view; they keep their column."""
        best = np.max(list(self.explained_per_factor.values()), axis=0)
        return [int(number) for number in np.flatnonzero(best < INACTIVE_BELOW)]


def memory_bytes(views: Sequence[View], settings: MofaSettings) -> int:
    """Return the memory that training will take, from its dense arrays of cells × features.

    mofapy2 holds four of them at its peak: the data as given, centred, weighted by the noise, and
    their expectation (10,000 × 7,000 in double precision took 2.2 GB).
    """
    values = sum(int(view.values.shape[0]) * int(view.values.shape[1]) for view in views)
    return 4 * (4 if settings.use_float32 else 8) * values


def train(
    views: Sequence[View], groups: NDArray[np.str_] | None, settings: MofaSettings, job: Job
) -> MofaFit:
    """Fit MOFA+ and report the lower bound (ELBO) of each evaluation as an epoch, live.

    Views are (n_cells, n_features), ``groups`` is (n_cells,).

    ``groups`` names the group of every cell, or is None for one group. BLAS runs on one
    thread: the matrices are narrow, and more threads made it slower wherever it was measured.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    order, sizes = _grouped(groups, views[0].values.shape[0])
    with threadpool_limits(limits=1), _contained() as printed:
        model = _build(views, order, sizes, settings)
        bounds = _follow(model.model, settings, job)
        model.run()
        if not model.model.trained:
            raise RuntimeError(f"mofapy2 did not finish: {_last_lines(printed.getvalue())}")
        return _fit(model.model, views, order, sizes, bounds, settings)


def _grouped(groups: NDArray[np.str_] | None, n_cells: int) -> tuple[NDArray[np.intp], list[int]]:
    """Return the order that puts cells of a group together, and the sizes of the groups."""
    if groups is None:
        return np.arange(n_cells), [n_cells]
    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.argsort(numbers, kind="stable"), [int(size) for size in sizes]


def _build(
    views: Sequence[View], order: NDArray[np.intp], sizes: Sequence[int], settings: MofaSettings
) -> Any:
    from mofapy2.run.entry_point import entry_point

    model = entry_point()
    model.set_data_options(
        scale_views=settings.scale_views,
        scale_groups=settings.scale_groups,
        use_float32=settings.use_float32,
    )
    model.set_data_matrix(
        [_blocks(view, order, sizes, settings.use_float32) for view in views],
        likelihoods=["gaussian"] * len(views),
        views_names=[view.name for view in views],
        groups_names=[f"group{number}" for number in range(len(sizes))],
        features_names=[[f"{view.name}:{name}" for name in view.features] for view in views],
    )
    several = len(sizes) > 1
    model.set_model_options(
        factors=settings.n_factors,
        spikeslab_weights=settings.spikeslab_weights,
        spikeslab_factors=settings.spikeslab_factors,
        ard_weights=settings.ard_weights,
        ard_factors=several if settings.ard_factors is None else settings.ard_factors,
    )
    model.set_train_options(
        iter=settings.max_iterations + 1,  # mofapy2 counts up to it exclusively, from 1
        convergence_mode=settings.convergence_mode,
        freqELBO=settings.elbo_frequency,
        seed=settings.seed,
        gpu_mode=settings.gpu is not None,
        gpu_device=settings.gpu,
    )
    model.build()
    return model


def _blocks(
    view: View, order: NDArray[np.intp], sizes: Sequence[int], use_float32: bool
) -> list[NDArray[Any]]:
    """Return one dense matrix a group, cells × features."""
    kind = np.float32 if use_float32 else np.float64
    values = view.values if isinstance(view.values, np.ndarray) else view.values.toarray()
    return list(np.split(values.astype(kind)[order], np.cumsum(sizes)[:-1]))


def _follow(network: Any, settings: MofaSettings, job: Job) -> dict[int, float]:
    """Report the ELBO whenever the network computes it; returns the growing map of bounds.

    The first value belongs to the start, before any iteration, and is left out; the others to
    iterations 1, 1 + frequency, ….
    """
    compute = network.calculateELBO
    bounds: dict[int, float] = {}
    numbers = count(1, settings.elbo_frequency)
    started = False

    def reporting(*nodes: Any) -> Any:
        nonlocal started
        terms = compute(*nodes)
        if started:
            number = next(numbers)
            bounds[number] = float(terms["total"])
            job.epoch(number, settings.max_iterations, limit=True, elbo=bounds[number])
        started = True
        return terms

    network.calculateELBO = reporting
    return bounds


def _fit(
    network: Any,
    views: Sequence[View],
    order: NDArray[np.intp],
    sizes: Sequence[int],
    bounds: Mapping[int, float],
    settings: MofaSettings,
) -> MofaFit:
    sorted_factors = np.asarray(network.nodes["Z"].getExpectation(), dtype=np.float64)
    factors = np.empty_like(sorted_factors)
    factors[order] = sorted_factors
    # One value an iteration, the start's included; cut off where training converged.
    converged = len(network.getTrainingStats()["elbo"]) <= settings.max_iterations
    squares = _squares(network, sizes)
    with np.errstate(invalid="ignore", divide="ignore"):  # a group in which nothing varies
        total = _pooled(network.calculate_variance_explained(total=True), squares)
        each = _pooled(network.calculate_variance_explained(), squares)
    names = [view.name for view in views]
    return MofaFit(
        factors=factors,
        bounds=bounds,
        iterations=max(bounds) if converged else settings.max_iterations,
        converged=converged,
        n_groups=len(sizes),
        explained={name: float(share) for name, share in zip(names, total, strict=True)},
        explained_per_factor=dict(zip(names, each, strict=True)),
    )


def _squares(network: Any, sizes: Sequence[int]) -> Array:
    """Sum of squares of each view in each group, (n_groups, n_views), as the model sees them."""
    ends = np.cumsum(sizes)[:-1]
    views = network.nodes["Y"].getExpectation()
    parts = [[float((part**2).sum()) for part in np.split(view, ends)] for view in views]
    return np.array(parts).T


def _pooled(shares: Any, squares: Array) -> Array:
    """Pool shares of variance explained over all groups: Σ explained / Σ squares.

    ``shares`` is (n_groups, n_views, …). A group in which a view doesn't vary has no share of its
    own and adds nothing; a small group counts by what varies in it.
    """
    each = np.asarray(shares, dtype=np.float64)
    weights = squares.reshape(*squares.shape, *[1] * (each.ndim - 2))
    explained = np.where(weights > 0, np.nan_to_num(each, neginf=0.0) * weights, 0.0)
    pooled: Array = explained.sum(axis=0) / np.maximum(weights.sum(axis=0), np.finfo(float).tiny)
    return pooled


@contextlib.contextmanager
def _contained() -> Iterator[io.StringIO]:
    """Keep aside what mofapy2 prints, and raise an error where it ends the process.

    The log is not caught: its handler holds the real output.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield printed
    except SystemExit as error:
        raise RuntimeError(f"mofapy2 gave up: {_last_lines(printed.getvalue())}") from error


def _last_lines(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return " / ".join(lines[-3:]) or "it said nothing"
