"""Local inverse Simpson index: how many labels, or batches, a cell's neighbourhood holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scib_metrics import lisi_knn

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate
from multiverse.evaluation.metric import LUECKEN, SCIB_METRICS, Metric
from multiverse.evaluation.needs import Need
from multiverse.evaluation.sheet import CellColumn
from multiverse.evaluation.space import Space

KORSUNSKY = "Korsunsky et al. 2019, doi:10.1038/s41592-019-0619-0"


def clisi(case: Case) -> Estimate:
    """Return (n_labels - median LISI) / (n_labels - 1)."""
    space = case.labelled
    number = len(space.known_labels.names)
    median = float(np.median(_lisi(space, space.known_labels)))
    return Estimate((number - median) / (number - 1), space.cells)


def ilisi(case: Case) -> Estimate:
    """Return (median LISI - 1) / (n_batches - 1)."""
    space = case.whole
    number = len(space.known_batches.names)
    median = float(np.median(_lisi(space, space.known_batches)))
    return Estimate((median - 1) / (number - 1), space.cells)


def _lisi(space: Space, column: CellColumn) -> NDArray[np.float64]:
    """Return LISI of each cell by the library, (n_cells,), perplexity a third of the neighbours."""
    neighbours = space.neighbours.nearest(space.settings.lisi_neighbours)
    return np.asarray(lisi_knn(neighbours, column.codes), dtype=np.float64)


METRICS = (
    Metric(
        "clisi",
        "cLISI",
        Group.BIO,
        "Whether a cell's neighbourhood is of one cell type. 1: of one, 0: all mixed.",
        f"{KORSUNSKY}; {LUECKEN}; {SCIB_METRICS}",
        (Need.CELLS, Need.LABELS),
        clisi,
        by_neighbours=True,
    ),
    Metric(
        "ilisi",
        "iLISI",
        Group.BATCH,
        "Whether a cell's neighbourhood holds all batches alike. 1: all, 0: only its own.",
        f"{KORSUNSKY}; {LUECKEN}; {SCIB_METRICS}",
        (Need.CELLS, Need.BATCH, Need.FULL_BATCHES),
        ilisi,
        by_neighbours=True,
    ),
)
