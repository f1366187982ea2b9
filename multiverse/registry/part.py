"""Bringing one modality of a source into the canonical file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from multiverse.errors import DatasetError
from multiverse.events import Noted, Tell
from multiverse.registry.canonical import CanonicalFile, WrittenCounts
from multiverse.registry.counts import NotCounts, verified_counts
from multiverse.registry.frames import feature_table
from multiverse.registry.layout import Candidate, SourceModality
from multiverse.registry.matrix import Block
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
    """

    file: CanonicalFile
    scratch: Path
    parts: Sequence[SourceModality]
    tell: Tell

    def write(self, part: SourceModality, rows: np.ndarray) -> WrittenPart:
        """Write the first matrix of ``part`` that holds raw counts, for the cells ``rows``.

        ``rows``: source rows to keep, of shape (n_cells,), strictly increasing.
        Raises :class:`DatasetError` with what each matrix holds instead, where none does.
        """
        found: list[tuple[str, str]] = []
        for candidate in part.candidates(part.layer):
            try:
                written = self._write_candidate(part, candidate, rows)
            except NotCounts as problem:
                found.append((candidate.name, str(problem)))
                continue
            notes = [*candidate.notes]
            if part.layer is not None and self._is_same(part, candidate):
                notes.append(
                    f"layer {part.layer!r} has no effect for {part.modality}: X is the same"
                )
            if found:
                notes.append(
                    f"{part.modality}: counts were taken from {candidate.name}, as "
                    f"{found[0][0]} holds none ({found[0][1]})"
                )
            return self._finish(part, candidate, written, len(rows), notes)
        raise self._no_counts(part, found)

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

    def _write_candidate(
        self, part: SourceModality, candidate: Candidate, rows: np.ndarray
    ) -> WrittenCounts:
        n_vars = len(candidate.var) if candidate.columns is None else len(candidate.columns)
        in_file = np.sort(rows)
        blocks = self._verified(part, candidate, in_file)
        if not np.array_equal(in_file, rows):
            order = np.searchsorted(in_file, rows)
            blocks = reordered(blocks, order, n_vars, self.scratch)
        return self.file.write_counts(part.modality, blocks, len(rows), n_vars)

    def _verified(
        self, part: SourceModality, candidate: Candidate, rows: np.ndarray
    ) -> Iterator[csr_array]:
        """Yield the counts of the rows, which rise; shape (n_cells, n_features) together."""
        columns = candidate.columns
        names = candidate.var.index if columns is None else candidate.var.index[columns]
        cells = part.obs.index[rows]
        return verified_counts(candidate.open(), rows, columns, cells, names)

    def _finish(
        self,
        part: SourceModality,
        candidate: Candidate,
        written: WrittenCounts,
        n_obs: int,
        notes: list[str],
    ) -> WrittenPart:
        columns = candidate.columns
        var = candidate.var if columns is None else candidate.var.iloc[columns]
        features, renamed = feature_table(var, part.modality)
        summary = written.summary
        if not summary.n_values:
            raise DatasetError(f"{part.modality} holds no count at all: every value is zero")
        if renamed:
            notes.append(f"{part.modality}: {renamed:,} repeated feature names were made unique")
        if summary.empty_cells:
            notes.append(f"{part.modality}: {summary.empty_cells:,} cells have no count")
        if summary.empty_features:
            notes.append(f"{part.modality}: {summary.empty_features:,} features have no count")
        size = f"{n_obs:,} cells × {summary.n_vars:,} features"
        self.tell(Noted(f"{part.modality}: {size}, verified as raw counts"))
        return WrittenPart(written, features, tuple(notes))

    def _no_counts(self, part: SourceModality, found: list[tuple[str, str]]) -> DatasetError:
        if not found:
            return DatasetError(
                f"{part.modality} has no matrix: neither X, a layer nor raw",
                remedy=self._leaving_out(part) or None,
            )
        what = "; ".join(f"in {name}, {problem}" for name, problem in found)
        tried = {name for name, _ in found}
        layers = [name for name in part.layers if f"layers[{name!r}]" not in tried]
        holding = [name for name in layers if self._holds_counts(part, name)]
        if holding:
            named = {other.modality: other.layer for other in self.parts if other.layer}
            chosen = {**named, part.modality: holding[0]}
            words = " ".join(shlex.quote(f"{name}={layer}") for name, layer in chosen.items())
            remedy = f"Name the layer that holds raw counts, for each modality: --layer {words}"
            if len(holding) > 1:
                remedy += f" (or one of {', '.join(holding[1:])})"
        else:
            none = f"None of its layers holds any ({', '.join(layers)}). " if layers else ""
            remedy = (
                f"{none}Models need raw counts, which can't be had back from normalised values. "
                "Keep them before normalising, adata.layers['counts'] = adata.X.copy(), and pass "
                f"--layer counts.{self._leaving_out(part)}"
            )
        return DatasetError(f"{part.modality} holds no raw counts: {what}", remedy=remedy)

    def _leaving_out(self, part: SourceModality) -> str:
        """Return the way to go on without a modality; nothing where it is the only one."""
        if len(self.parts) == 1:
            return ""
        others = " and ".join(other.modality for other in self.parts if other is not part)
        return f" Or go on with {others} alone, and leave it out: --without {part.modality}"

    def _holds_counts(self, part: SourceModality, layer: str) -> bool:
        """Return whether a layer that was not tried holds raw counts."""
        for candidate in part.candidates(layer):
            try:
                for _ in self._verified(part, candidate, np.arange(len(part.obs))):
                    pass
            except (NotCounts, DatasetError):
                return False
        return True


def _equal(one: Block, other: Block) -> bool:
    same_shape = one.counts.shape == other.counts.shape
    return same_shape and (one.counts - other.counts).nnz == 0
