"""Looks for the raw counts of a modality and sums them up, block by block; keeps none of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from multiverse.errors import DatasetError
from multiverse.events import Noted, Tell
from multiverse.inspection.facts import Depth, ModalityFacts, Obstacle
from multiverse.registry.counts import NotCounts, verified_counts
from multiverse.registry.layout import Candidate, SourceModality
from multiverse.specs.dataset import ModalitySummary

#: Of a matrix that takes long, progress is told this often (seconds).
PROGRESS_SECONDS = 5.0
EXAMPLE_FEATURES = 3
#: So many layers that nobody named are tried, where the usual places hold no counts.
MOST_LAYERS = 20


@dataclass(frozen=True)
class CountSums:
    """Sums of a matrix of counts: per cell of shape (n_cells,), per feature (n_features,)."""

    depth: np.ndarray
    values: np.ndarray
    per_feature: np.ndarray

    @classmethod
    def of(cls, blocks: Iterable[csr_array], n_features: int) -> CountSums:
        """Sum up blocks of canonical counts, cells × features."""
        depth, values = [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
        per_feature = np.zeros(n_features, dtype=np.int64)
        for block in blocks:
            depth.append(np.asarray(block.sum(axis=1, dtype=np.float64)).ravel())
            values.append(np.diff(block.indptr).astype(np.int64))
            per_feature += np.bincount(block.indices, minlength=n_features)
        return cls(np.concatenate(depth), np.concatenate(values), per_feature)

    def summary(self, rows: np.ndarray) -> ModalitySummary:
        """Return the modality as it would be registered of these cells only."""
        values = self.values[rows]
        return ModalitySummary(
            n_vars=len(self.per_feature),
            n_values=int(values.sum()),
            empty_cells=int((values == 0).sum()),
            empty_features=int((self.per_feature == 0).sum()),
        )


@dataclass(frozen=True)
class FoundCounts:
    """A modality, and its sums where raw counts were found.

    ``layer`` is the layer that has to be named for them, None where none has to.
    """

    facts: ModalityFacts
    sums: CountSums | None = None
    layer: str | None = None
    obstacle: Obstacle | None = None


def find_counts(part: SourceModality, layer: str | None, tell: Tell) -> FoundCounts:
    """Find the first matrix of a modality that holds raw counts, as registration would.

    Where none of the usual ones does, the layers that nobody named are looked at too.
    """
    search = _Search(part, tell, [])
    try:
        for candidate in part.candidates(layer):
            if (sums := search.sums(candidate)) is not None:
                return search.found(candidate, sums, layer)
        for name in search.untried() if layer is None else ():
            for candidate in part.candidates(name):
                if (sums := search.sums(candidate)) is not None:
                    return search.found(candidate, sums, name)
    except DatasetError as error:
        return search.nothing(str(error), error.remedy)
    return search.nothing(*search.why_none())


@dataclass(frozen=True)
class _Search:
    part: SourceModality
    tell: Tell
    refused: list[tuple[str, str]]

    def sums(self, candidate: Candidate) -> CountSums | None:
        """Return the sums of a matrix; None where it holds something else, which is kept."""
        columns = candidate.columns
        names = candidate.var.index if columns is None else candidate.var.index[columns]
        cells = self.part.obs.index
        blocks = verified_counts(candidate.open(), np.arange(len(cells)), columns, cells, names)
        try:
            return CountSums.of(self._watched(blocks), len(names))
        except NotCounts as problem:
            self.refused.append((candidate.name, str(problem)))
            return None

    def _watched(self, blocks: Iterable[csr_array]) -> Iterator[csr_array]:
        done, told, total = 0, time.monotonic(), len(self.part.obs)
        for block in blocks:
            yield block
            done += block.shape[0]
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                self.tell(Noted(f"{self.part.modality}: {done:,} of {total:,} cells read"))

    def untried(self) -> list[str]:
        tried = {name for name, _ in self.refused}
        layers = [name for name in self.part.layers if f"layers[{name!r}]" not in tried]
        return layers[:MOST_LAYERS]

    def found(self, candidate: Candidate, sums: CountSums, layer: str | None) -> FoundCounts:
        total = int(sums.values.sum())
        if not total:
            message = f"{self.part.modality} holds no count at all: every value is zero"
            return self.nothing(message, "Leave it out of the file, or bring its counts.")
        why = "whole numbers, none negative"
        if self.refused:
            name, problem = self.refused[0]
            why = f"{why}; {name} holds no counts ({problem})"
        columns = candidate.columns
        names = candidate.var.index if columns is None else candidate.var.index[columns]
        cells, features = len(sums.values), len(sums.per_feature)
        facts = replace(
            self._facts(why),
            n_features=features,
            counts_in=candidate.name,
            example_features=tuple(f"{name:.40}" for name in names[:EXAMPLE_FEATURES]),
            n_values=total,
            zeros=1 - total / (cells * features),
            depth=Depth.of(sums.depth),
            empty_cells=int((sums.values == 0).sum()),
            empty_features=int((sums.per_feature == 0).sum()),
        )
        return FoundCounts(facts, sums, layer)

    def nothing(self, message: str, remedy: str | None) -> FoundCounts:
        facts = self._facts(message)
        return FoundCounts(facts, obstacle=Obstacle(message, remedy))

    def why_none(self) -> tuple[str, str]:
        remedy = (
            "Models need raw counts, which can't be had back from normalised values: put them "
            "into adata.layers['counts'], and write the file again."
        )
        if not self.refused:
            return f"{self.part.modality} has no matrix: neither X, a layer nor raw", remedy
        what = "; ".join(f"in {name}, {problem}" for name, problem in self.refused[:3])
        return f"{self.part.modality} holds no raw counts: {what}", remedy

    def _facts(self, why: str) -> ModalityFacts:
        part = self.part
        return ModalityFacts(
            part.modality, part.old_name, len(part.obs), part.n_vars, part.layers, why
        )
