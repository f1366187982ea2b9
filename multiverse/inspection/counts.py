"""The raw counts of a modality: where they are, and their sums."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from multiverse.errors import DatasetError
from multiverse.events import Noted, Tell
from multiverse.inspection.facts import Depth, ModalityFacts, Obstacle
from multiverse.registry.antibodies import antibody_notes
from multiverse.registry.cells import Alignment
from multiverse.registry.judge import Judge, Survey
from multiverse.registry.layout import Candidate, SourceModality
from multiverse.registry.matrix import Block
from multiverse.registry.options import RegistrationOptions
from multiverse.specs.dataset import ModalitySummary

#: Of a matrix that takes long, progress is told this often (seconds).
PROGRESS_SECONDS = 5.0
EXAMPLE_FEATURES = 3


@dataclass(frozen=True)
class CountSums:
    """Sums of a matrix of counts: per cell of shape (n_cells,), per feature (n_features,)."""

    depth: np.ndarray
    values: np.ndarray
    per_feature: np.ndarray

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
    notes: tuple[str, ...] = ()


def find_counts(
    parts: Sequence[SourceModality],
    options: RegistrationOptions,
    tell: Tell,
    measured: Alignment | None = None,
) -> list[FoundCounts]:
    """Find the matrix of each modality that registration would take, with its sums.

    ``measured``: the cells that count, if not all do. Where registration would take no matrix, the
    layers that nobody named are looked at too.
    """
    told = [replace(part, candidates=_Watched(part, tell)) for part in parts]
    rows = {
        part.modality: np.arange(len(part.obs))
        if measured is None
        else measured.rows[part.modality]
        for part in parts
    }
    return [_find(part, np.sort(rows[part.modality]), options, told) for part in told]


def _find(
    part: SourceModality,
    rows: np.ndarray,
    options: RegistrationOptions,
    together: Sequence[SourceModality],
) -> FoundCounts:
    """Find the counts of one modality; ``rows``: its cells that count, rising."""
    judge = Judge.of(part, rows, options, None, together)
    try:
        verdict, layer, passed_over = judge.verdict(), part.layer, ""
        if verdict.survey is None and layer is None:
            others = judge.other_layers({survey.name for survey in verdict.surveys})
            if others:
                layer = others[0]
                first = verdict.surveys[0]
                passed_over = f"; {first.name} holds no counts ({first.described()})"
                verdict = replace(judge, layer=layer).verdict()
        survey = verdict.taken()
    except DatasetError as error:
        return _nothing(part, str(error), error.remedy)
    evidence = survey.evidence
    if evidence is None or not evidence.n_values:
        message = f"{part.modality} holds no count at all: every value is zero"
        return _nothing(part, message, "Leave it out, or bring its counts.")
    depth, values = np.zeros(len(part.obs)), np.zeros(len(part.obs), dtype=np.int64)
    depth[rows], values[rows] = evidence.totals, evidence.lengths
    sums = CountSums(depth, values, evidence.per_feature)
    facts = _facts(part, survey, sums, f"{verdict.why}{passed_over}", rows)
    notes = (*verdict.notes, *antibody_notes(part.modality, survey.candidate.features))
    return FoundCounts(facts, sums, layer, notes=notes)


def _facts(
    part: SourceModality, survey: Survey, sums: CountSums, why: str, rows: np.ndarray
) -> ModalityFacts:
    cells, features = len(rows), len(sums.per_feature)
    total = int(sums.values.sum())
    return ModalityFacts(
        part.modality,
        part.old_name,
        cells,
        features,
        part.layers,
        why.removeprefix(f"{part.modality}: "),
        counts_in=survey.name,
        example_features=tuple(
            f"{name:.40}" for name in survey.candidate.features[:EXAMPLE_FEATURES]
        ),
        n_values=total,
        zeros=1 - total / (cells * features),
        depth=Depth.of(sums.depth[rows]),
        empty_cells=int((sums.values[rows] == 0).sum()),
        empty_features=int((sums.per_feature == 0).sum()),
    )


def _nothing(part: SourceModality, message: str, remedy: str | None) -> FoundCounts:
    facts = ModalityFacts(
        part.modality, part.old_name, len(part.obs), part.n_vars, part.layers, message
    )
    return FoundCounts(facts, obstacle=Obstacle(message, remedy))


@dataclass(frozen=True)
class _Watched:
    """Candidates of a modality (:data:`~multiverse.registry.layout.Candidates`) that tell how far
    their reading is.
    """

    part: SourceModality
    tell: Tell

    def __call__(self, layer: str | None) -> Iterator[Candidate]:
        """Yield them, each to be read block by block with a note every few seconds."""
        for candidate in self.part.candidates(layer):
            yield replace(candidate, open=partial(_WatchedMatrix, candidate, self))


@dataclass(frozen=True)
class _WatchedMatrix:
    candidate: Candidate
    watched: _Watched

    def blocks(self) -> Iterator[Block]:
        """Yield blocks of cells."""
        part, told = self.watched.part, time.monotonic()
        for block in self.candidate.open().blocks():
            yield block
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                done = block.start + block.counts.shape[0]
                self.watched.tell(
                    Noted(f"{part.modality}: {done:,} of {len(part.obs):,} cells read")
                )
