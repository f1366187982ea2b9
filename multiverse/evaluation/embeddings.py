"""Embeddings of runs, in the order of the dataset's cells."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.latent import count_dimensions, read_cell_names, read_latent
from multiverse.errors import ResultsError
from multiverse.evaluation.neighbours import Matrix
from multiverse.evaluation.sheet import AnswerSheet

LEAST_SPREAD, MOST_SPREAD = 1e-6, 1e6
#: What single precision holds with all of its digits, and some room below.
LEAST_SINGLE, MOST_SINGLE = 1e-30, float(np.finfo(np.float32).max)
#: Of each value: as it is stored, in the order of the cells, and in double precision.
BYTES_PER_VALUE = 16


def n_dimensions(path: Path) -> int:
    """Return how many dimensions an embedding has; 0 where that can't be read."""
    try:
        return count_dimensions(path.resolve())
    except OSError:
        return 0


def read_embedding(path: Path, sheet: AnswerSheet, memory: int = 0) -> Matrix:
    """Read points (n_cells, n_dims), each row that of the cell with its name.

    What single precision can't hold is multiplied by a power of two, see :func:`of_ordinary_size`.
    Raises :class:`ResultsError` where names or values are not those of an embedding of these cells,
    MemoryError where it can't be held in so many bytes (0: nobody knows).
    """
    path = path.resolve()  # the engine `local` makes a link to each of its inputs
    try:
        _check_memory((sheet.n_cells, count_dimensions(path)), memory)
        values, names = read_latent(path), read_cell_names(path)
    except OSError as error:
        raise ResultsError(f"{path.name} can't be read as an embedding: {error}") from error
    if len(names) != len(values) or set(names) != set(sheet.cells) or len(set(names)) != len(names):
        raise ResultsError(f"the embedding's {len(names):,} cells are not those of the dataset")
    latent = _single(values)
    points = np.empty_like(latent)
    points[[sheet.position[name] for name in names]] = latent
    return points


def _check_memory(shape: tuple[int, ...], memory: int) -> None:
    needed = math.prod(shape) * BYTES_PER_VALUE
    if memory and needed > memory:
        words = " × ".join(f"{length:,}" for length in shape)
        raise MemoryError(
            f"an embedding of {words} values takes {needed:,} bytes of memory, more than there are"
        )


def _single(values: NDArray[np.floating]) -> Matrix:
    """Return values in single precision; none becomes infinite, nor all of them zero."""
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
    if not np.isfinite(largest):
        raise ResultsError("the embedding has values that are not finite")
    if largest == 0 or LEAST_SINGLE <= largest <= MOST_SINGLE:
        return np.asarray(values, dtype=np.float32)
    # In two steps: the power itself may be more than double precision holds.
    half = -np.round(np.log2(largest)) / 2
    scaled = values.astype(np.float64) * np.exp2(np.floor(half)) * np.exp2(np.ceil(half))
    return np.asarray(scaled, dtype=np.float32)


def of_ordinary_size(points: Matrix) -> Matrix:
    """Return the embedding times a power of two, where its spread is far from one; same shape.

    Neighbours, clusters and silhouettes don't depend on it, but libraries that compute in single
    precision lose an embedding of a spread of 1e-20 or 1e20. A power of two changes no digit.
    """
    spread = float(points.astype(np.float64).std())
    if spread == 0 or LEAST_SPREAD <= spread <= MOST_SPREAD:
        return points
    factor = np.exp2(-np.round(np.log2(spread)))
    return np.asarray(points.astype(np.float64) * factor, dtype=np.float32)
