"""Cells that are empty in one modality only: padded with zeros, and not measured, it seems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from multiverse.registry.cells import Alignment
from multiverse.registry.counts import NotCounts, WrongValue
from multiverse.registry.judge import Judge

#: A batch whose cells are empty in a modality to this share was not measured there.
PADDED_BATCH = 0.5
#: Without batches that tell: this share of all cells. Real data: no empty cell in 19 modalities.
PADDED_CELLS = 0.1
#: Fewer cells are no pattern.
FEWEST = 10


@dataclass(frozen=True)
class Padding:
    """The padded cells of a modality, (n_cells,); ``where`` says what they have in common."""

    modality: str
    cells: np.ndarray
    where: str

    def described(self) -> str:
        """Return the number and the place of the cells."""
        return (
            f"{int(self.cells.sum()):,} of {len(self.cells):,} cells have no {self.modality} count "
            f"but counts elsewhere{self.where}"
        )

    def warning(self) -> str:
        """Return the note for data in which these zeros stand."""
        return (
            f"{self.modality}: {self.described()}: padded with zeros and not measured, it seems. "
            "pca and mofa would take the zeros as measured, totalvi too but for whole batches; "
            "cobolt, mowgli and multivi go by the other modality of such a cell. Register with "
            "--mosaic to make them missing, or with --intersect to leave those cells out."
        )


def filled_cells(judge: Judge) -> tuple[np.ndarray, np.ndarray]:
    """Return which cells of a modality have a count, and which have no value (NaN) at all.

    Both (n_cells,), in the order of ``judge.rows``. Reads the modality as often as judging does.
    """
    verdict = judge.verdict()
    if verdict.survey is not None and verdict.survey.evidence is not None:
        filled = verdict.survey.evidence.lengths > 0
        return filled, np.zeros_like(filled)
    for survey in verdict.surveys:
        problem = survey.problem
        if isinstance(problem, NotCounts) and problem.kind is WrongValue.MISSING:
            absent = judge.missing_values(survey.candidate).without_any
            return ~absent, absent
    everything = np.ones(len(judge.rows), dtype=bool)  # refused for another reason, and later
    return everything, ~everything


@dataclass(frozen=True)
class Filling:
    """Of the cells of a dataset, those that a modality has, and those with counts there.

    Each (n_cells,); ``absent`` are measured cells whose every value is missing (NaN).
    """

    measured: np.ndarray
    filled: np.ndarray
    absent: np.ndarray

    @classmethod
    def of(
        cls, measured: np.ndarray, filled: np.ndarray, absent: np.ndarray | None = None
    ) -> Filling:
        """Spread what is known of the measured cells, (n_measured,), over all cells."""
        spread = [np.zeros_like(measured), np.zeros_like(measured)]
        spread[0][measured] = filled
        if absent is not None:
            spread[1][measured] = absent
        return cls(measured, *spread)


def find_padding(fillings: Mapping[str, Filling], batches: pd.Series | None) -> tuple[Padding, ...]:
    """Return the padded cells of each modality that has such; ``batches`` is (n_cells,).

    A few empty cells here and there are measurements, and are left alone.
    """
    found = []
    for name, here in fillings.items():
        if here.absent.any():
            found.append(Padding(name, here.absent, ", every value is missing (NaN)"))
            continue
        elsewhere = [other.filled for key, other in fillings.items() if key != name]
        if elsewhere:
            empty = here.measured & ~here.filled & np.logical_or.reduce(elsewhere)
            found += _padded(name, empty, batches)
    return tuple(found)


def _padded(name: str, empty: np.ndarray, batches: pd.Series | None) -> list[Padding]:
    if empty.sum() < FEWEST:
        return []
    whole = _padded_batches(empty, batches)
    if batches is None or not whole:
        return [Padding(name, empty, "")] if empty.mean() >= PADDED_CELLS else []
    inside = batches.isin(whole).to_numpy()
    names = ", ".join(map(repr, whole[:10])) + (", …" if len(whole) > 10 else "")
    of_these = empty & inside
    share = "all" if inside.sum() == of_these.sum() else f"{of_these.sum():,}"
    return [Padding(name, of_these, f", {share} of the {inside.sum():,} of batch {names}")]


def without_padding(alignment: Alignment, padding: tuple[Padding, ...]) -> Alignment:
    """Return the alignment in which padded cells are not measured."""
    measured, rows = dict(alignment.measured), dict(alignment.rows)
    notes = list(alignment.notes)
    for one in padding:
        kept = ~one.cells[measured[one.modality]]
        rows[one.modality] = rows[one.modality][kept]
        measured[one.modality] = measured[one.modality] & ~one.cells
        notes.append(f"{one.modality}: {one.described()}; they were made missing")
    return replace(alignment, rows=rows, measured=measured, notes=tuple(notes))


def _padded_batches(empty: np.ndarray, batches: pd.Series | None) -> list[str]:
    if batches is None or batches.nunique() < 2:
        return []
    share = pd.Series(empty).groupby(batches.to_numpy()).mean()
    return [str(name) for name in share.index[share >= PADDED_BATCH]]
