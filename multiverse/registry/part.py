"""Bringing one modality of a source into the canonical file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from multiverse.errors import DatasetError
from multiverse.events import Noted, Tell
from multiverse.registry.antibodies import antibody_notes
from multiverse.registry.canonical import CanonicalFile, WrittenCounts
from multiverse.registry.counts import NotCounts, verified_counts
from multiverse.registry.frames import feature_table
from multiverse.registry.judge import Judge, Survey
from multiverse.registry.layout import Candidate, SourceModality
from multiverse.registry.matrix import Block
from multiverse.registry.options import RegistrationOptions
from multiverse.registry.rounding import Rounding
from multiverse.registry.spool import reordered


@dataclass(frozen=True)
class WrittenPart:
    """One modality as it was written."""

    counts: WrittenCounts
    features: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PartWriter:
    """Writes modalities into ``file``; ``scratch`` is a folder for big leftovers.

    ``parts`` are all that are to be written: what is advised for one depends on the others.
    ``batches`` is the batch of each cell by its name, to say where values are missing.
    """

    file: CanonicalFile
    scratch: Path
    parts: Sequence[SourceModality]
    options: RegistrationOptions
    batches: pd.Series | None
    tell: Tell

    def write(self, part: SourceModality, rows: np.ndarray) -> WrittenPart:
        """Write the matrix of ``part`` that holds its raw counts, for the cells ``rows``.

        ``rows``: source rows to keep, of shape (n_cells,), strictly increasing.
        Raises :class:`DatasetError` with what each matrix holds instead, where none does, and
        where two disagree.
        """
        judge = Judge.of(part, rows, self.options, self.batches, self.parts)
        surveys, written = self._survey(judge, rows)
        verdict = judge.choose(surveys)
        taken = verdict.taken()
        if written is None:
            rounding = None if taken.rounded is None else Rounding()
            try:
                written = self._write_candidate(part, taken.candidate, rows, rounding)
            except NotCounts as problem:  # among features that were not compared
                raise DatasetError(
                    f"{part.modality} holds no raw counts: in {taken.name}, {problem}",
                    remedy=f"Take others with {judge.layer_option(surveys[0].name)}",
                ) from problem
        notes = [*taken.candidate.notes, *verdict.notes]
        if part.layer is not None and self._is_same(part, taken.candidate):
            notes.append(f"layer {part.layer!r} has no effect for {part.modality}: X is the same")
        return self._finish(part, taken, written, len(rows), notes)

    def _is_same(self, part: SourceModality, candidate: Candidate) -> bool:
        """Return whether the matrix that would be tried first, X, holds the same values.

        Both are read side by side, up to the first difference.
        """
        first = next(part.candidates(None), None)
        if first is None or first.name != "X" or candidate.name == "X":
            return False
        try:
            both = zip_longest(first.open().blocks(), candidate.open().blocks())
            return all(one is not None and other is not None and _equal(one, other)
                       for one, other in both)  # fmt: skip
        except DatasetError:  # of X, which nobody asked for
            return False

    def _survey(
        self, judge: Judge, rows: np.ndarray
    ) -> tuple[tuple[Survey, ...], WrittenCounts | None]:
        """Survey all matrices; the last one is written at once if no other holds counts."""
        candidates = list(judge.part.candidates(judge.layer))
        surveys = judge.survey_all(candidates[:-1])
        if not candidates or any(one.holds_counts for one in surveys):
            return judge.survey_all(candidates[-1:], surveys), None
        try:
            written = self._write_candidate(judge.part, candidates[-1], rows)
        except NotCounts as problem:
            return (*surveys, judge.failed(candidates[-1], problem)), None
        found = judge.found(candidates[-1], written.evidence, written.sha256)
        return (*surveys, found), written

    def _write_candidate(
        self,
        part: SourceModality,
        candidate: Candidate,
        rows: np.ndarray,
        rounding: Rounding | None = None,
    ) -> WrittenCounts:
        in_file, names = np.sort(rows), candidate.features
        blocks: Iterator[csr_array] = verified_counts(
            candidate.open(),
            in_file,
            candidate.columns,
            part.obs.index[in_file],
            names,
            rounding,
        )
        if not np.array_equal(in_file, rows):
            order = np.searchsorted(in_file, rows)
            blocks = reordered(blocks, order, len(names), self.scratch)
        return self.file.write_counts(part.modality, blocks, len(rows), len(names))

    def _finish(
        self,
        part: SourceModality,
        survey: Survey,
        written: WrittenCounts,
        n_obs: int,
        notes: list[str],
    ) -> WrittenPart:
        candidate = survey.candidate
        columns = candidate.columns
        var = candidate.var if columns is None else candidate.var.iloc[columns]
        features, renamed = feature_table(var, part.modality)
        summary = written.summary.model_copy(update={"rounded": survey.rounded})
        if not summary.n_values:
            raise DatasetError(f"{part.modality} holds no count at all: every value is zero")
        if renamed:
            notes.append(f"{part.modality}: {renamed:,} repeated feature names were made unique")
        if summary.empty_cells:
            notes.append(f"{part.modality}: {summary.empty_cells:,} cells have no count")
        if summary.empty_features:
            notes.append(f"{part.modality}: {summary.empty_features:,} features have no count")
        notes += antibody_notes(part.modality, features.index)
        size = f"{n_obs:,} cells × {summary.n_vars:,} features"
        self.tell(Noted(f"{part.modality}: {size}, {_standing(survey)}"))
        return WrittenPart(replace(written, summary=summary), features, tuple(notes))


def _standing(survey: Survey) -> str:
    """Return what was found of the values, for the line that a user sees."""
    if survey.rounded is not None:
        return "rounded to whole numbers"
    if survey.doubts:
        return "whole numbers, but see the note"
    return "verified as raw counts"


def _equal(one: Block, other: Block) -> bool:
    same_shape = one.counts.shape == other.counts.shape
    return same_shape and (one.counts - other.counts).nnz == 0
