"""Embeddings of runs, in the order of the dataset's cells."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from multiverse.errors import ResultsError
from multiverse.evaluation.neighbours import Matrix
from multiverse.evaluation.sheet import AnswerSheet


def read_embedding(path: Path, sheet: AnswerSheet) -> Matrix:
    """Points (n_cells, n_dims), each row that of the cell with its name.

    Raises :class:`ResultsError` where names or values are not those of an embedding of these cells.
    """
    try:
        with h5py.File(path, "r") as file:
            latent = np.asarray(file["latent"][...], dtype=np.float32)
            names = [name.decode(errors="replace") for name in file["obs_names"][...]]
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise ResultsError(f"{path.name} can't be read as an embedding: {error}") from error
    if len(names) != len(latent) or set(names) != set(sheet.cells) or len(set(names)) != len(names):
        raise ResultsError(f"the embedding's {len(names):,} cells are not those of the dataset")
    if not np.isfinite(latent).all():
        raise ResultsError("the embedding has values that are not finite")
    points = np.empty_like(latent)
    points[[sheet.position[name] for name in names]] = latent
    return points
