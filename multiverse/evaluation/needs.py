"""The needs of a metric, looked at before it is computed.

The libraries return plausible wrong numbers where a need is not met (a single label: perfect
k-means; one batch: kBET 0; all cells at one point: perfect mixing). So nothing is computed then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.scores import Reason
from multiverse.evaluation.case import Case
from multiverse.evaluation.modalities import ModalityView
from multiverse.evaluation.sheet import CellColumn
from multiverse.evaluation.space import Space

#: Fewer cells have no neighbourhoods to speak of: twice those of the neighbour graph.
MIN_CELLS = 30
#: Labels of fewer cells on average are names of cells, not of kinds of cells.
MIN_CELLS_PER_LABEL = 5
#: kBET looks at no label with fewer cells (Büttner et al. 2019), iLISI at no batch here.
MIN_CELLS_PER_GROUP = 10


@dataclass(frozen=True)
class Unmet:
    """Why a metric can't be computed."""

    reason: Reason
    detail: str


class Need(Enum):
    """A condition on the data; :func:`unmet` says whether it holds."""

    CELLS = "cells"
    LABELS = "labels"
    BATCH = "batch"
    LABELLED_BATCHES = "batches of labelled cells"
    FULL_BATCHES = "full batches"
    BATCHES_WITHIN_LABELS = "batches within labels"
    TESTABLE_LABELS = "testable labels"
    MODALITIES = "modalities"
    BATCHED_MODALITIES = "modalities of several batches"
    NEIGHBOURHOODS = "neighbourhoods"
    REFERENCE = "an embedding that is not the reference"
    DEPTH = "cells that differ in depth"
    SEEDS = "seeds"


def unmet(needs: tuple[Need, ...], case: Case) -> Unmet | None:
    """Return the first need that is not met, in the order of :class:`Need`."""
    for need in Need:
        if need in needs and (found := _CHECKS[need](case)) is not None:
            return found
    return None


def _cells(case: Case) -> Unmet | None:
    return _judge_space(case.whole, "cells")


def _judge_space(space: Space, words: str) -> Unmet | None:
    if space.n_cells < MIN_CELLS:
        return Unmet(
            Reason.TOO_FEW_CELLS, f"{space.n_cells} {words}; at least {MIN_CELLS} are needed"
        )
    if space.is_constant:
        return Unmet(
            Reason.CONSTANT_EMBEDDING,
            f"the embedding is the same for all {space.n_cells:,} {words}",
        )
    if space.is_lost_in_rounding:
        return Unmet(
            Reason.CONSTANT_EMBEDDING,
            f"how the {space.n_cells:,} {words} differ is less than a millionth of the "
            "embedding's largest value, and lost in rounding",
        )
    return None


def _labels(case: Case) -> Unmet | None:
    labels = case.sheet.labels
    if labels is None:
        return Unmet(Reason.NO_LABELS, "no column of labels was registered")
    n_labelled = int(labels.known.sum())
    if not n_labelled:
        return Unmet(Reason.NO_LABELS, "no cell has a label")
    if len(labels.names) == 1:
        return Unmet(Reason.ONE_CLASS, f"every labelled cell is {labels.names[0]!r:.60}")
    if n_labelled < MIN_CELLS_PER_LABEL * len(labels.names):
        return Unmet(
            Reason.TOO_FEW_CELLS,
            f"{len(labels.names):,} labels for {n_labelled:,} cells: fewer than "
            f"{MIN_CELLS_PER_LABEL} cells per label on average",
        )
    return _judge_space(case.labelled, "labelled cells")


def _batch(case: Case) -> Unmet | None:
    batches = case.sheet.batches
    if batches is None:
        return Unmet(Reason.NO_BATCH, "no batch column was registered")
    if len(batches.names) < 2:
        return Unmet(Reason.ONE_BATCH, "there is one batch only")
    return None


def _labelled_batches(case: Case) -> Unmet | None:
    """Return Unmet where only one batch has labels: it says nothing of labels and batches."""
    present = np.unique(case.labelled.known_batches.codes)
    if len(present) > 1:
        return None
    return Unmet(Reason.ONE_BATCH, "the cells that have a label are of one batch only")


def _full_batches(case: Case) -> Unmet | None:
    """Return Unmet for a batch of one cell, which would halve iLISI: it is scaled by them."""
    counts = case.whole.known_batches.counts
    small = [name for name, number in counts.items() if number < MIN_CELLS_PER_GROUP]
    if not small:
        return None
    return Unmet(
        Reason.TOO_FEW_CELLS,
        f"batch {small[0]!r:.60} has {counts[small[0]]} cells; "
        f"at least {MIN_CELLS_PER_GROUP} are needed",
    )


def _within_labels(case: Case) -> Unmet | None:
    if _batches_of_labels(case).max() >= 2:
        return None
    return Unmet(
        Reason.CONFOUNDED,
        "no label has cells of two batches, so that batch and biology can't be told apart",
    )


def _testable(case: Case) -> Unmet | None:
    sizes = np.bincount(case.labelled.known_labels.codes)
    if ((_batches_of_labels(case) >= 2) & (sizes >= MIN_CELLS_PER_GROUP)).any():
        return None
    return Unmet(
        Reason.TOO_FEW_CELLS,
        f"no label of at least {MIN_CELLS_PER_GROUP} cells has cells of two batches",
    )


def _batches_of_labels(case: Case) -> NDArray[np.intp]:
    """Count the batches that each label is in, (n_labels,)."""
    space = case.labelled
    labels, batches = space.known_labels, space.known_batches
    table = np.zeros((len(labels.names), len(batches.names)), dtype=bool)
    table[labels.codes, batches.codes] = True
    return np.asarray(table.sum(axis=1), dtype=np.intp)


def _modalities(case: Case) -> Unmet | None:
    if any(len(view.cells) >= MIN_CELLS for view in case.modalities.values()):
        return None
    return Unmet(Reason.NOT_APPLICABLE, "no modality has components of its own")


def _judge_views(case: Case, views: list[ModalityView]) -> Unmet | None:
    """Return Unmet for an embedding that is constant in the cells of one modality."""
    for view in views:
        if (case.points[view.cells] == case.points[view.cells[0]]).all():
            return Unmet(
                Reason.CONSTANT_EMBEDDING,
                f"the embedding is the same for all {len(view.cells):,} cells that were measured "
                f"in {view.name}",
            )
    return None


def _neighbourhoods(case: Case) -> Unmet | None:
    """Return Unmet for few cells: most are neighbours of each other in any embedding."""
    wanted = 2 * case.settings.structure_neighbours
    views = [view for view in case.modalities.values() if len(view.cells) >= MIN_CELLS]
    sizes = {"cells": case.whole.n_cells}
    sizes |= {f"cells measured in {view.name}": len(view.cells) for view in views}
    for words, n_cells in sizes.items():
        if n_cells < wanted:
            return Unmet(
                Reason.TOO_FEW_CELLS,
                f"{n_cells} {words}; {case.settings.structure_neighbours} neighbours need at "
                f"least {wanted}",
            )
    return _judge_views(case, views)


def _reference(case: Case) -> Unmet | None:
    """Return Unmet for the reference itself, under whatever name: it keeps all of its own."""
    for view in case.modalities.values():
        if len(view.cells) >= MIN_CELLS and case.kept_neighbours[view.name].min() == 1:
            return Unmet(
                Reason.NOT_APPLICABLE,
                f"all of its neighbours are those of the reference of {view.name}: it would be "
                "compared with itself",
            )
    return None


def deep_views(case: Case) -> list[ModalityView]:
    """Return the modalities measured in enough cells, not all of which have as many counts."""
    views = case.modalities.values()
    return [view for view in views if len(view.cells) >= MIN_CELLS and np.ptp(view.depth) > 0]


def _depth(case: Case) -> Unmet | None:
    views = deep_views(case)
    if not views:
        return Unmet(Reason.NOT_APPLICABLE, "every cell has as many counts as any other")
    return _judge_views(case, views)


def spans_batches(view: ModalityView, batches: CellColumn) -> bool:
    """Return True if enough cells were measured in the modality, in two batches at least.

    The view's points are (n_measured, n_dims).
    """
    present = np.unique(batches.codes[view.cells])
    return len(view.cells) >= MIN_CELLS and len(present) > 1


def _batched_modalities(case: Case) -> Unmet | None:
    batches = case.whole.known_batches
    views = [view for view in case.modalities.values() if spans_batches(view, batches)]
    if not views:
        return Unmet(Reason.ONE_BATCH, "no modality was measured in cells of two batches")
    return _judge_views(case, views)


def _seeds(case: Case) -> Unmet | None:
    if case.sibling_ids:
        return None
    return Unmet(Reason.ONE_SEED, "there is one run of this configuration; two seeds are needed")


_CHECKS: dict[Need, Callable[[Case], Unmet | None]] = {
    Need.CELLS: _cells,
    Need.LABELS: _labels,
    Need.BATCH: _batch,
    Need.LABELLED_BATCHES: _labelled_batches,
    Need.FULL_BATCHES: _full_batches,
    Need.BATCHES_WITHIN_LABELS: _within_labels,
    Need.TESTABLE_LABELS: _testable,
    Need.MODALITIES: _modalities,
    Need.BATCHED_MODALITIES: _batched_modalities,
    Need.NEIGHBOURHOODS: _neighbourhoods,
    Need.REFERENCE: _reference,
    Need.DEPTH: _depth,
    Need.SEEDS: _seeds,
}
