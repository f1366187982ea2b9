"""Embeddings that nobody made with a model: they show what a number is worth.

Random beats real methods at mixing batches, the batch alone loses all biology, the labels
themselves are the best that biology can be. Each modality's own components stand for no
integration.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from multiverse.evaluation.modalities import ModalityView
from multiverse.evaluation.neighbours import Matrix
from multiverse.evaluation.sheet import AnswerSheet, CellColumn

RANDOM, BATCH, ORACLE = "random", "batch_one_hot", "label_oracle"
N_RANDOM = 30
#: Standard deviation of the noise on one-hot rows, which are 1 apart in each of two axes: small
#: beside the distance of two categories, and no two cells are at the same place.
NOISE = 0.05


def controls(
    sheet: AnswerSheet, modalities: Mapping[str, ModalityView], seed: int
) -> dict[str, Matrix]:
    """Return name → points (n_cells, n_dims). What the data don't have is left out.

    A modality of a mosaic is no control: it has no points for the cells that lack it.
    """
    random = np.random.default_rng(seed)
    found = {RANDOM: random.normal(size=(sheet.n_cells, N_RANDOM)).astype(np.float32)}
    if sheet.batches is not None and len(sheet.batches.names) > 1:
        found[BATCH] = _one_hot(sheet.batches, random)
    if sheet.labels is not None and len(sheet.labels.names) > 1:
        found[ORACLE] = _one_hot(sheet.labels, random)
    for name, view in modalities.items():
        if len(view.cells) == sheet.n_cells:
            found[f"pca_{name}"] = view.points
    return found


def _one_hot(column: CellColumn, random: np.random.Generator) -> Matrix:
    """Return one axis a category, with noise; a cell without one lies near the origin.

    Past :data:`N_RANDOM` categories they are random points of that many axes instead, as far apart
    as the axes are: ten thousand columns would be no embedding.
    """
    number = len(column.names)
    if number <= N_RANDOM:
        places = np.eye(number)
    else:
        places = random.normal(size=(number, N_RANDOM)) / np.sqrt(N_RANDOM)
    points = np.vstack([places, np.zeros((1, places.shape[1]))])[column.codes]
    return (points + random.normal(scale=NOISE, size=points.shape)).astype(np.float32)
