"""The cells of a dataset, and the row of each in each modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.frames import check_unique
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
    """Match the cells of all modalities by name, in the order of ``everyone``.

    Raises :class:`DatasetError` where a name is repeated, and for cells that lack a modality as
    ``unpaired`` says: always, only if none has all (drop), or only if a cell has none or cells
    link no two modalities (keep).
    """
    check_unique(everyone, "The file's obs")
    places = {name: _places(name, names, everyone) for name, names in modalities.items()}
    matched = _Matched(everyone, {name: place >= 0 for name, place in places.items()})
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
    problem = _Matched(cells, measured).obstacle()
    if problem is not None:
        raise problem


def _places(modality: str, names: pd.Index, everyone: pd.Index) -> np.ndarray:
    """Return each cell's row in the modality; -1 where it has none. Shape (n_cells,)."""
    check_unique(names, f"The obs of {modality}")
    strangers = len(names) - int(names.isin(everyone).sum())
    if strangers:
        raise DatasetError(
            f"{strangers:,} of the {len(names):,} cells of {modality} are not in the file's "
            "own obs",
            remedy="Open the file with mudata, call .update(), and write it again.",
        )
    return np.asarray(names.get_indexer(everyone))


@dataclass(frozen=True)
class _Matched:
    """All cells of a source, and which of them each modality has."""

    cells: pd.Index
    measured: Mapping[str, np.ndarray]

    def choose(self, unpaired: Unpaired) -> tuple[np.ndarray, tuple[str, ...]]:
        """Choose the cells to keep; return them with notes for the user."""
        complete = np.logical_and.reduce([*self.measured.values()])
        if complete.all():
            return complete, ()
        if unpaired is Unpaired.KEEP:
            problem = self.obstacle()
            if problem is not None:
                raise problem
            return np.ones_like(complete), (f"a mosaic: {self._lacking()}",)
        if unpaired is Unpaired.REFUSE:
            raise self._refusal(complete)
        if not complete.any():
            raise self._nothing_in_common()
        kept = f"{int(complete.sum()):,} of {len(complete):,} cells were kept"
        return complete, (f"{kept}, those that have every modality ({self._lacking()})",)

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
            return DatasetError(
                f"{int(nowhere.sum()):,} of {len(nowhere):,} cells were measured in none of "
                f"{', '.join(self.measured)}, such as {str(self.cells[nowhere][0])!r:.80}",
                remedy="Remove them from the file's obs: nothing is known of them.",
            )
        apart = unlinked(cell_groups(self.measured), tuple(self.measured))
        if apart:
            return DatasetError(
                f"No cell links {' or '.join(apart)} to {next(iter(self.measured))}: "
                f"{self._lacking()}",
                remedy="Check that the modalities name their cells in the same way. If they are "
                "truly different cells, register each modality as a dataset of its own.",
            )
        return None

    def _refusal(self, complete: np.ndarray) -> DatasetError:
        possible = self.obstacle() is None
        if not (complete.any() or possible):
            return self._nothing_in_common()
        ways = []
        if complete.any():
            ways.append(
                f"drop the {int((~complete).sum()):,} cells that lack a modality with --intersect "
                f"(keeps {int(complete.sum()):,})"
            )
        if possible:
            ways.append(f"keep all {len(complete):,} with --mosaic, for models that can take them")
        remedy = ", or ".join(ways)
        return DatasetError(
            f"The modalities do not have the same cells: {self._lacking()}",
            remedy=f"{remedy[0].upper()}{remedy[1:]}.",
        )

    def _nothing_in_common(self) -> DatasetError:
        return DatasetError(
            f"No cell has all of {', '.join(self.measured)}: {self._lacking()}",
            remedy="Check that the modalities name their cells in the same way.",
        )
