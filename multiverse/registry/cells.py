"""The cells of a dataset, and the row of each in each modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.barcodes import Spelling, recognise
from multiverse.registry.layout import Layout
from multiverse.registry.options import Unpaired
from multiverse.specs.cell_groups import CellGroup, unlinked


@dataclass(frozen=True)
class Alignment:
    """The kept cells in the order of the source's own ``obs``.

    ``rows`` are, per modality, the source's rows of those kept cells that it has, in the same
    order; ``measured`` says which of the kept cells these are, (n_cells,).
    """

    cells: pd.Index
    rows: Mapping[str, np.ndarray]
    measured: Mapping[str, np.ndarray]
    notes: tuple[str, ...]

    @property
    def groups(self) -> tuple[CellGroup, ...]:
        """Numbers of cells by measured modalities; empty where every cell has all."""
        found = cell_groups(self.measured)
        return () if len(found) == 1 else found


def align(
    everyone: pd.Index, modalities: Mapping[str, pd.Index], unpaired: Unpaired = Unpaired.REFUSE
) -> Alignment:
    """Match the cells of all modalities by name, which is unique, in the order of ``everyone``.

    Raises :class:`DatasetError` for cells that lack a modality as ``unpaired`` says: always, only
    if none has all (drop), or only if a cell has none or cells link no two modalities (keep).
    """
    places = {name: _places(name, names, everyone) for name, names in modalities.items()}
    measured = {name: place >= 0 for name, place in places.items()}
    matched = _Matched(everyone, measured, modalities)
    kept, notes = matched.choose(unpaired)
    measured = {name: has[kept] for name, has in matched.measured.items()}
    rows = {name: place[kept][measured[name]].astype(np.int64) for name, place in places.items()}
    return Alignment(everyone[kept], rows, measured, notes)


def cell_groups(measured: Mapping[str, np.ndarray]) -> tuple[CellGroup, ...]:
    """Return the groups of cells, those with most modalities first.

    ``measured``: modality → boolean array of shape (n_cells,). Cells measured nowhere are in none.
    """
    names = list(measured)
    patterns, numbers = np.unique(np.column_stack([*measured.values()]), axis=0, return_counts=True)
    groups = [
        CellGroup(
            modalities=tuple(name for name, has in zip(names, pattern, strict=True) if has),
            n_cells=int(number),
        )
        for pattern, number in zip(patterns[::-1], numbers[::-1], strict=True)
        if pattern.any()
    ]
    return tuple(sorted(groups, key=lambda group: -len(group.modalities)))


def check_links(cells: pd.Index, measured: Mapping[str, np.ndarray]) -> None:
    """Raise :class:`DatasetError` unless these cells can be kept as a mosaic.

    ``measured``: modality → boolean array of shape (n_cells,).
    """
    names = {modality: cells[has] for modality, has in measured.items()}
    problem = _Matched(cells, measured, names).obstacle()
    if problem is not None:
        raise problem


def _places(modality: str, names: pd.Index, everyone: pd.Index) -> np.ndarray:
    """Return each cell's row in the modality; -1 where it has none. Shape (n_cells,)."""
    strangers = len(names) - int(names.isin(everyone).sum())
    if strangers:
        raise DatasetError(
            f"{strangers:,} of the {len(names):,} cells of {modality} are not in the file's "
            "own obs",
            remedy="Open the file with mudata, call .update(), and write it again.",
        )
    return np.asarray(names.get_indexer(everyone))


def without_effect(option: str, layout: Layout) -> str:
    """Return the note for an option about cells that lack a modality, where none does."""
    what = "every modality" if len(layout.parts) > 1 else "the only modality"
    return f"{option} has no effect: all {len(layout.obs):,} cells have {what}"


def only_complete(alignment: Alignment) -> Alignment:
    """Return the alignment of the cells that were measured in every modality.

    Raises :class:`DatasetError` where there is none.
    """
    complete = np.all([*alignment.measured.values()], axis=0)
    if complete.all():
        return alignment
    if not complete.any():
        raise DatasetError(
            f"No cell was measured in all of {', '.join(alignment.measured)}",
            remedy="Keep them as a mosaic, if some cells have two modalities: --mosaic",
        )
    rows = {name: alignment.rows[name][complete[has]] for name, has in alignment.measured.items()}
    measured = {name: has[complete] for name, has in alignment.measured.items()}
    note = f"{int(complete.sum()):,} of {len(complete):,} cells were kept, those measured in all"
    return Alignment(alignment.cells[complete], rows, measured, (*alignment.notes, note))


@dataclass(frozen=True)
class _Matched:
    """All cells of a source, which of them each modality has, and how it names them."""

    cells: pd.Index
    measured: Mapping[str, np.ndarray]
    names: Mapping[str, pd.Index]

    def choose(self, unpaired: Unpaired) -> tuple[np.ndarray, tuple[str, ...]]:
        """Choose the cells to keep; return them with notes for the user."""
        complete = self._complete
        if complete.all():
            return complete, ()
        spellings = tuple(recognise(self.names)[0].values())
        if unpaired is Unpaired.KEEP:
            problem = self.obstacle()
            if problem is not None:
                raise self._respelled(spellings) or problem
            return np.ones_like(complete), (
                f"a mosaic: {self._lacking()}",
                *map(self._unused, spellings),
            )
        if unpaired is Unpaired.REFUSE:
            raise self._respelled(spellings) or self._refusal()
        if not complete.any():
            raise self._respelled(spellings) or self._nothing_in_common()
        kept = f"{int(complete.sum()):,} of {len(complete):,} cells were kept"
        return complete, (
            f"{kept}, those that have every modality ({self._lacking()})",
            *map(self._unused, spellings),
        )

    @property
    def _complete(self) -> np.ndarray:
        return np.asarray(np.all([*self.measured.values()], axis=0))

    def _unused(self, spelling: Spelling) -> str:
        return f"{spelling}; --match-barcodes joins them"

    def _lacking(self) -> str:
        return ", ".join(
            f"{int((~has).sum()):,} of {len(has):,} cells have no {modality}"
            for modality, has in self.measured.items()
            if not has.all()
        )

    def obstacle(self) -> DatasetError | None:
        """Return why the cells can't be kept as a mosaic; None where they can."""
        nowhere = ~np.logical_or.reduce([*self.measured.values()])
        if nowhere.any():
            complete = int(self._complete.sum())
            return DatasetError(
                f"{int(nowhere.sum()):,} of {len(nowhere):,} cells were measured in none of "
                f"{', '.join(self.measured)}, such as {str(self.cells[nowhere][0])!r:.80}",
                remedy="Remove them from the file's obs: nothing is known of them."
                + (
                    f" Or keep the {complete:,} cells that have every modality: --intersect"
                    if complete
                    else ""
                ),
            )
        apart = unlinked(cell_groups(self.measured), tuple(self.measured))
        if apart:
            return DatasetError(
                f"No cell links {' or '.join(apart)} to {next(iter(self.measured))}: "
                f"{self._lacking()} ({self._examples()})",
                remedy="Check that the modalities name their cells in the same way. If they are "
                f"truly different cells, register {self._each_alone()}.",
            )
        return None

    def _refusal(self) -> DatasetError:
        ways = self._ways()
        if not ways:
            return self._nothing_in_common()
        remedy = ", or ".join(ways)
        return DatasetError(
            f"The modalities do not have the same cells: {self._lacking()}",
            remedy=f"{remedy[0].upper()}{remedy[1:]}.",
        )

    def _ways(self) -> list[str]:
        """Return the options that choose what is to become of cells that lack a modality."""
        complete, ways = self._complete, []
        if complete.any():
            ways.append(
                f"drop the {int((~complete).sum()):,} cells that lack a modality with --intersect "
                f"(keeps {int(complete.sum()):,})"
            )
        if self.obstacle() is None:
            ways.append(f"keep all {len(complete):,} with --mosaic, for models that can take them")
        return ways

    def _nothing_in_common(self) -> DatasetError:
        mosaic = self.obstacle() is None
        return DatasetError(
            f"No cell has all of {', '.join(self.measured)}: {self._lacking()} "
            f"({self._examples()})",
            remedy="Keep them all with --mosaic, for models that can take them."
            if mosaic
            else "Check that the modalities name their cells in the same way. If they are truly "
            f"different cells, register {self._each_alone()}.",
        )

    def _each_alone(self) -> str:
        """Return how to register modalities that share no cell, one at a time."""
        return "each modality as a dataset of its own, with the others left out: " + ", ".join(
            f"--without {' '.join(other for other in self.measured if other != name)} for {name}"
            for name in self.measured
        )

    def _examples(self) -> str:
        shown = [f"{str(names[0])!r:.80} in {modality}" for modality, names in self.names.items()]
        return f"cells are called {' and '.join(shown)}"

    def _respelled(self, spellings: Sequence[Spelling]) -> DatasetError | None:
        """Return the error that offers to join names which differ in the way they are written.

        None where there are no such names.
        """
        if not spellings:
            return None
        names = {**self.names, **{found.modality: found.names for found in spellings}}
        everyone = pd.Index(dict.fromkeys(name for found in names.values() for name in found))
        joined = _Matched(
            everyone, {name: everyone.isin(found) for name, found in names.items()}, names
        )
        remedy = "Join them with --match-barcodes."
        if not joined._complete.all():
            remedy = f"Join them with --match-barcodes, and {', or '.join(joined._ways())}."
        said = "; ".join(map(str, spellings))
        return DatasetError(
            f"The modalities do not have the same cells: {self._lacking()}; but {said}",
            remedy=remedy,
        )
