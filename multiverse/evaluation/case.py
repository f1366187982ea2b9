"""Everything that a metric may look at: one member, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.evaluation.modalities import ModalityView
from multiverse.evaluation.neighbours import Matrix, Neighbours, neighbours_needed, shared
from multiverse.evaluation.sheet import AnswerSheet
from multiverse.evaluation.space import Space

#: Larger halves would take too long. Their scores vary more, by a factor that is known.
MOST_OF_HALF = 5_000


def _no_sibling(run_id: str) -> NDArray[np.int64]:
    raise ValueError(f"nothing is known of {run_id}")


@dataclass(frozen=True)
class Case:
    """One embedding to be scored.

    ``points``: (n_cells, n_dims) in the order of the dataset. ``sibling_ids``: runs of the same
    configuration with other seeds; ``find_sibling`` gives the neighbours (n_cells, k) of one.
    ``part_of``: the case that this one is a part of, and the rows there.
    """

    name: str
    points: Matrix
    sheet: AnswerSheet
    modalities: Mapping[str, ModalityView]
    settings: EvaluationSettings
    sibling_ids: tuple[str, ...] = ()
    find_sibling: Callable[[str], NDArray[np.int64]] = field(default=_no_sibling)
    part_of: tuple[Case, NDArray[np.intp]] | None = None

    @cached_property
    def siblings(self) -> dict[str, NDArray[np.int64]]:
        """Run id → neighbours of each cell there, (n_cells, k)."""
        return {run_id: self.find_sibling(run_id) for run_id in self.sibling_ids}

    @cached_property
    def whole(self) -> Space:
        """Return all cells."""
        sheet = self.sheet
        rows = np.arange(sheet.n_cells)
        space = Space(self.points, rows, sheet.labels, sheet.batches, self.settings)
        if self.part_of is None:
            return space
        larger, chosen = self.part_of
        return self._knowing(space, larger.whole, chosen)

    @cached_property
    def labelled(self) -> Space:
        """Return the cells that have a label: all others are left out of what looks at labels."""
        labels = self.sheet.labels
        if labels is None or labels.known.all():
            return self.whole
        space = self.whole.take(np.flatnonzero(labels.known))
        if self.part_of is None:
            return space
        larger, chosen = self.part_of
        return self._knowing(space, larger.labelled, chosen)

    def _knowing(self, space: Space, larger: Space, chosen: NDArray[np.intp]) -> Space:
        """Return the space with neighbours that are found among those of a larger one.

        Both are of sorted rows. Of a small part few neighbours are among those that are known.
        """
        rows = np.flatnonzero(np.isin(larger.cells, chosen))
        if 2 * len(rows) < larger.n_cells - 1:
            return space

        def find() -> Neighbours:
            return larger.neighbours.among(rows, neighbours_needed(self.settings), space.points)

        return replace(space, known_neighbours=find)

    def half(self, number: int) -> Case:
        """Return a random half of the cells as a case of its own: at most :data:`MOST_OF_HALF`.

        The same ``number`` gives the same cells for every embedding of the dataset. Neighbourhoods
        of LISI and kBET have fewer cells, so that they are found among those that are known; those
        of the graph have as many as ever.
        """
        if number not in self._halves:
            self._halves[number] = self._half(number)
        return self._halves[number]

    @cached_property
    def _halves(self) -> dict[int, Case]:
        return {}

    def _half(self, number: int) -> Case:
        n_cells, settings = self.sheet.n_cells, self.settings
        random = np.random.default_rng([settings.seed, number])
        rows = np.sort(random.permutation(n_cells)[: half_size(n_cells)])
        return Case(
            name=self.name,
            points=np.ascontiguousarray(self.points[rows]),
            sheet=self.sheet.take(rows),
            modalities={name: view.take(rows) for name, view in self.modalities.items()},
            settings=settings.model_copy(
                update={
                    "lisi_neighbours": max(3, settings.lisi_neighbours // 3),
                    "kbet_neighbours": max(3, settings.kbet_neighbours // 2),
                    "structure_neighbours": 1,
                }
            ),
            part_of=(self, rows),
        )

    @cached_property
    def kept_neighbours(self) -> dict[str, NDArray[np.float64]]:
        """Return modality → the share of its reference's neighbours that a cell keeps.

        Each (n_measured,), among the cells that the modality was measured in.
        """
        found = {}
        for view in self.modalities.values():
            whole = len(view.cells) == self.sheet.n_cells
            space = self.whole if whole else self.whole.take(view.cells)
            reference = view.reference_neighbours
            found[view.name] = shared(reference, space.neighbours.others(reference.shape[1]))
        return found

    @cached_property
    def sample(self) -> Space:
        """Return labelled cells for quadratic metrics, at most ``max_cells``, by strata, seeded."""
        space = self.labelled
        if space.n_cells <= self.settings.max_cells:
            return space
        return space.take(stratified(space, self.settings.max_cells, self.settings.seed))


def half_size(n_cells: int) -> int:
    """Return how many cells a half has."""
    return min(n_cells // 2, MOST_OF_HALF)


def stratified(space: Space, wanted: int, seed: int) -> NDArray[np.intp]:
    """Return rows of a subsample in which each label in each batch keeps its share, or one cell.

    Sorted; ``wanted`` rows, up to one more or less a stratum: shares are rounded.
    """
    labels = space.known_labels.codes
    batches = np.zeros_like(labels) if space.batches is None else space.batches.codes
    random = np.random.default_rng(seed)
    _, strata = np.unique(np.column_stack([labels, batches]), axis=0, return_inverse=True)
    strata = strata.ravel()
    share = wanted / len(labels)
    kept = []
    for stratum in range(strata.max() + 1):
        rows = np.flatnonzero(strata == stratum)
        size = max(1, round(share * len(rows)))
        kept.append(random.choice(rows, size=size, replace=False))
    return np.sort(np.concatenate(kept))
