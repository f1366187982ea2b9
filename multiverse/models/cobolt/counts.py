"""The counts of all modalities, which cells have which, subsets and minibatches of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from multiverse.errors import NotApplicable

if TYPE_CHECKING:
    from multiverse.worker.preprocess import View

Cells = NDArray[np.intp]
Subset = tuple[int, ...]
#: Beyond this number of modalities not all subsets are used.
ALL_SUBSETS_UP_TO = 3
#: So many subsets besides the singletons and the full set are drawn then.
DRAWN = 5
#: Batch normalisation needs the variance between cells.
MIN_CELLS = 2


@dataclass(frozen=True)
class Minibatch:
    """Cells that all have the modalities of one subset.

    ``counts`` maps the number of a modality to (n_cells, n_features), dense; ``batch`` is
    one-hot, (n_cells, n_batches).
    """

    counts: Mapping[int, Tensor]
    batch: Tensor


@dataclass(frozen=True)
class CellCounts:
    """Raw counts per modality (CSR float32, n_cells × n_features), kept sparse.

    ``observed`` is (n_cells, n_modalities): a cell lacks a modality that it was not measured in,
    or in which nothing was counted.
    ``batch`` numbers the batch of each cell, from 0.
    """

    names: tuple[str, ...]
    modalities: tuple[csr_matrix, ...]
    observed: NDArray[np.bool_]
    batch: NDArray[np.intp]
    n_batches: int

    @classmethod
    def of(
        cls,
        views: Sequence[View],
        batch: NDArray[np.str_] | None,
        measured: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> CellCounts:
        """Collect counts, without features that no cell has; without batches all cells are in one.

        ``measured`` maps a modality to the cells that were measured in it, (n_cells,); all, where
        it says nothing.

        Raises :class:`NotApplicable` for a modality that fewer than 2 cells have.
        """
        kept = tuple(_counts(view.values) for view in views)
        masks = [(measured or {}).get(view.name, True) for view in views]
        counted = [np.diff(part.indptr) > 0 for part in kept]
        observed = np.column_stack(
            [np.logical_and(*both) for both in zip(counted, masks, strict=True)]
        )
        for view, n_cells in zip(views, observed.sum(axis=0), strict=True):
            if n_cells < MIN_CELLS:
                raise NotApplicable(
                    f"{n_cells} cells have {view.name} counts: at least {MIN_CELLS} are needed"
                )
        names, codes = (
            (["all"], np.zeros(len(observed), dtype=np.intp))
            if batch is None
            else np.unique(batch, return_inverse=True)
        )
        return cls(
            tuple(view.name for view in views), kept, observed, codes.astype(np.intp), len(names)
        )

    @property
    def n_cells(self) -> int:
        return len(self.observed)

    @property
    def n_features(self) -> tuple[int, ...]:
        return tuple(part.shape[1] for part in self.modalities)

    @property
    def full_set(self) -> Subset:
        return tuple(range(len(self.modalities)))

    def having(self, subset: Subset) -> Cells:
        """Return the cells that have all modalities of ``subset``, whatever else they have."""
        return np.flatnonzero(self.observed[:, subset].all(axis=1))

    def patterns(self) -> dict[Subset, Cells]:
        """Return the cells of each pattern of observed modalities; together all, each once."""
        rows, number = np.unique(self.observed, axis=0, return_inverse=True)
        return {
            tuple(int(position) for position in np.flatnonzero(row)): np.flatnonzero(number == at)
            for at, row in enumerate(rows)
        }

    def minibatch(self, cells: Cells, subset: Subset, device: torch.device) -> Minibatch:
        """Make the counts of ``cells`` (n_cells,) in some modalities dense; only here."""
        counts = {
            number: torch.from_numpy(self.modalities[number][cells].toarray()).to(device)
            for number in subset
        }
        batch = np.zeros((len(cells), self.n_batches), dtype=np.float32)
        batch[np.arange(len(cells)), self.batch[cells]] = 1
        return Minibatch(counts, torch.from_numpy(batch).to(device))


def _counts(values: Any) -> csr_matrix:
    """Return counts without stored zeros and without features that have no count in any cell."""
    counts = csr_matrix(values, dtype=np.float32, copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return counts[:, np.unique(counts.indices)]


def split(cells: Cells, size: int, random: np.random.Generator | None = None) -> list[Cells]:
    """Split ``cells`` (n_cells,) into minibatches of ``size``, shuffled if a generator is given.

    A last one of a single cell, which has no variance to normalise by, joins the one before.
    """
    order = cells if random is None else random.permutation(cells)
    starts = list(range(0, len(order), size))
    if len(starts) > 1 and len(order) - starts[-1] == 1:
        del starts[-1]
    return np.split(order, starts[1:])


def training_subsets(n_modalities: int, random: np.random.Generator) -> list[Subset]:
    """Return non-empty subsets of modalities 0 … n−1, in the order of an epoch.

    The order is that of binary counting with the last modality fastest: {1}, {0}, {0, 1} for
    two. For four modalities and more: the singletons, the full set and 5 others, drawn once.
    """
    every = [
        tuple(number for number, present in enumerate(flags) if present)
        for flags in product((False, True), repeat=n_modalities)
    ][1:]
    if n_modalities <= ALL_SUBSETS_UP_TO:
        return every
    others = [number for number, subset in enumerate(every) if 1 < len(subset) < n_modalities]
    drawn = set(random.choice(others, size=DRAWN, replace=False).tolist())
    return [
        subset
        for number, subset in enumerate(every)
        if len(subset) in (1, n_modalities) or number in drawn
    ]
