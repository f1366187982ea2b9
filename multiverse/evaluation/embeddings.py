"""Embeddings of runs, in the order of the dataset's cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiverse.contract.latent import read_cell_names, read_latent
from multiverse.errors import ResultsError
from multiverse.evaluation.neighbours import Matrix
from multiverse.evaluation.sheet import AnswerSheet

LEAST_SPREAD, MOST_SPREAD = 1e-6, 1e6


def read_embedding(path: Path, sheet: AnswerSheet) -> Matrix:
    """Read points (n_cells, n_dims), each row that of the cell with its name.

    Raises :class:`ResultsError` where names or values are not those of an embedding of these cells.
    """
    try:
        latent, names = read_latent(path).astype(np.float32), read_cell_names(path)
    except OSError as error:
        raise ResultsError(f"{path.name} can't be read as an embedding: {error}") from error
    if len(names) != len(latent) or set(names) != set(sheet.cells) or len(set(names)) != len(names):
        raise ResultsError(f"the embedding's {len(names):,} cells are not those of the dataset")
    if not np.isfinite(latent).all():
        raise ResultsError("the embedding has values that are not finite")
    points = np.empty_like(latent)
    points[[sheet.position[name] for name in names]] = latent
    return points


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
