"""Which matrix of a modality holds its raw counts, and why: judged without writing anything."""

from __future__ import annotations

import shlex
from ast import literal_eval
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.counts import NotCounts, WrongValue, selected_blocks, verified_counts
from multiverse.registry.evidence import Doubt, Evidence
from multiverse.registry.fingerprint import CountsHash
from multiverse.registry.layout import Candidate, SourceModality
from multiverse.registry.missing import MissingValues
from multiverse.registry.options import RegistrationOptions
from multiverse.registry.rounding import Rounding
from multiverse.registry.scale import Scale, scale_of
from multiverse.specs.dataset import RoundedCounts

#: Layers beside the usual ones that are looked into when no counts were found.
MOST_LAYERS = 10


@dataclass(frozen=True)
class Survey:
    """What one matrix holds: counts with their ``evidence``, or a ``problem`` instead.

    ``comparable`` is False where its features lack some of those of the first matrix; then nothing
    but its existence was judged. ``scale`` says what fractional values look like,
    ``rounded`` what rounding them changed.
    """

    candidate: Candidate
    evidence: Evidence | None = None
    sha256: str = ""
    doubts: tuple[Doubt, ...] = ()
    problem: NotCounts | DatasetError | None = None
    scale: Scale | None = None
    comparable: bool = True
    rounded: RoundedCounts | None = None

    @property
    def name(self) -> str:
        """The matrix's name, such as ``X`` or ``layers['counts']``."""
        return self.candidate.name

    @property
    def holds_counts(self) -> bool:
        """True if every value is a whole number from 0."""
        return self.evidence is not None

    @property
    def totals(self) -> np.ndarray:
        """The library size of each cell, (n_cells,); of no cell where there are no counts."""
        return np.zeros(0) if self.evidence is None else self.evidence.totals

    @property
    def grave(self) -> bool:
        """True if its values are not taken for raw counts unless it is named."""
        return any(one.grave for one in self.doubts)

    @property
    def standing(self) -> int:
        """The rank among matrices of whole numbers: gravely doubted 0, doubted 1, clean 2."""
        return 0 if self.grave else 1 if self.doubts else 2

    def described(self) -> str:
        """Return what is found, as a clause after the name."""
        if self.problem is not None:
            return "; ".join([str(self.problem), *([self.scale.text] if self.scale else [])])
        return " and ".join(one.text for one in self.doubts) or "holds raw counts"


@dataclass(frozen=True)
class CountsVerdict:
    """The judgement of a modality: the matrix to take as ``survey``, or a ``refusal``.

    ``why`` is a sentence for the user; ``notes`` are for the dataset's record; ``surveys`` holds
    every matrix that was looked at, best place first.
    """

    modality: str
    survey: Survey | None
    why: str
    notes: tuple[str, ...]
    surveys: tuple[Survey, ...]
    refusal: DatasetError | None = None

    @property
    def candidate(self) -> Candidate | None:
        """The matrix to take."""
        return None if self.survey is None else self.survey.candidate

    def taken(self) -> Survey:
        """Return the survey of the matrix to take; raises the refusal where there is none."""
        if self.survey is None:
            raise self.refusal or DatasetError(f"{self.modality}: {self.why}")
        return self.survey


@dataclass(frozen=True)
class Judge:
    """Judges the matrices of a modality.

    Parameters
    ----------
    rows
        Source rows that count, of shape (n_cells,), strictly increasing.
    layer
        The matrix that the user named: a layer, ``X`` or ``raw``.
    round_fractions
        Round values that are counts but for a fraction, where no matrix holds whole ones.
    batches
        The batch of each cell of ``rows``, (n_cells,), to say where values are missing.
    together
        All modalities that are registered with it: what is advised for one depends on the others.
    """

    part: SourceModality
    rows: np.ndarray
    layer: str | None = None
    round_fractions: bool = False
    batches: pd.Series | None = None
    together: Sequence[SourceModality] = ()

    @classmethod
    def of(
        cls,
        part: SourceModality,
        rows: np.ndarray,
        options: RegistrationOptions,
        batches: pd.Series | None,
        together: Sequence[SourceModality] = (),
    ) -> Judge:
        """Return the judge of a registration; ``batches`` is by cell name, of all cells."""
        in_file = np.sort(rows)
        here = None if batches is None else batches.loc[part.obs.index[in_file]]
        return cls(part, in_file, part.layer, options.rounds(part.modality), here, together)

    def survey_all(
        self, candidates: Sequence[Candidate], before: Sequence[Survey] = ()
    ) -> tuple[Survey, ...]:
        """Survey matrices after those ``before``, and return all.

        Those after the first one with counts are surveyed by the features of that one.
        """
        surveys = list(before)
        for candidate in candidates:
            first = next((one.candidate.features for one in surveys if one.holds_counts), None)
            surveys.append(self.survey(candidate, first))
        return tuple(surveys)

    def survey(self, candidate: Candidate, names: pd.Index | None = None) -> Survey:
        """Read a matrix once, up to its first value that is no count; only ``names`` if given."""
        looked_at = candidate if names is None else _restricted(candidate, names)
        if looked_at is None:
            return Survey(candidate, comparable=False)
        columns, features = looked_at.columns, looked_at.features
        evidence, content = Evidence(len(features)), CountsHash()
        cells = self.part.obs.index[self.rows]
        try:
            matrix = candidate.open()
            for block in verified_counts(matrix, self.rows, columns, cells, features):
                evidence.update(block)
                content.update(block)
        except (NotCounts, DatasetError) as problem:
            return self.failed(candidate, problem)
        return self.found(candidate, evidence, content.hexdigest())

    def found(self, candidate: Candidate, evidence: Evidence, sha256: str) -> Survey:
        """Return the survey of a matrix of whole numbers."""
        return Survey(candidate, evidence, sha256, evidence.doubts(self.part.modality))

    def failed(self, candidate: Candidate, problem: NotCounts | DatasetError) -> Survey:
        """Return the survey of a matrix that holds something else, with what it looks like."""
        scale = None
        kinds = (WrongValue.FRACTION, WrongValue.NEGATIVE)
        if isinstance(problem, NotCounts) and problem.kind in kinds:
            scale = scale_of(selected_blocks(candidate.open(), self.rows, candidate.columns))
        return Survey(candidate, problem=problem, scale=scale)

    def is_named(self, candidate: Candidate) -> bool:
        """Return whether the user named this matrix."""
        return self.layer is not None and candidate.name in (self.layer, f"layers[{self.layer!r}]")

    def verdict(self) -> CountsVerdict:
        """Survey every matrix that may hold the counts, and choose."""
        return self.choose(self.survey_all(list(self.part.candidates(self.layer))))

    def choose(self, surveys: tuple[Survey, ...]) -> CountsVerdict:
        """Choose among matrices that were surveyed, in this order."""
        best: Survey | None = None
        notes: list[str] = []
        for other in surveys:
            if best is None:
                best = other if other.holds_counts else None
                continue
            outcome = self._better(best, other)
            if isinstance(outcome, DatasetError):
                return self._refused(surveys, outcome)
            best, note = outcome
            notes += [f"{self.part.modality}: {note}"] if note else []
        if best is None:
            return self._without_counts(surveys)
        return self._chosen(best, surveys, notes)

    def _chosen(self, best: Survey, surveys: tuple[Survey, ...], notes: list[str]) -> CountsVerdict:
        modality = self.part.modality
        before = surveys[0]
        if not before.holds_counts:
            notes.insert(
                0,
                f"{modality}: counts were taken from {best.name}, as {before.name} holds none "
                f"({before.described()})",
            )
        if best.grave and not self.is_named(best.candidate):
            return self._refused(surveys, self._grave(best))
        notes += [f"{modality}: {best.name} {one}" for one in best.doubts]
        if self.round_fractions:
            notes.append(f"{modality}: nothing was rounded, as {best.name} holds whole numbers")
        if best.grave:
            notes.append(f"{modality}: {best.name} was taken because it was named")
        why = "; ".join(notes) or f"{modality}: {best.name} holds raw counts"
        return CountsVerdict(modality, best, why, tuple(notes), surveys)

    def _refused(self, surveys: tuple[Survey, ...], refusal: DatasetError) -> CountsVerdict:
        return CountsVerdict(self.part.modality, None, str(refusal), (), surveys, refusal)

    def _grave(self, survey: Survey) -> DatasetError:
        found = next(one.text for one in survey.doubts if one.grave)
        others = self.other_layers({survey.name})
        ways = [f"take the counts from {self._either(others)}"] if others else []
        if not others:
            ways.append("give the file or layer that holds the counts before that was done")
        ways.append(f"take the values as they are with {self.layer_option(survey.name)}")
        remedy = " or ".join(ways)
        return DatasetError(
            f"{self.part.modality} holds no raw counts: {survey.name} {found}",
            remedy=self._or_without(f"{remedy[0].upper()}{remedy[1:]}"),
        )

    def _without_counts(self, surveys: tuple[Survey, ...]) -> CountsVerdict:
        modality = self.part.modality
        if not surveys:
            refusal = DatasetError(
                f"{modality} has no matrix: neither X, a layer nor raw",
                remedy=self._or_without("") or None,
            )
            return self._refused(surveys, refusal)
        damaged = [one.problem for one in surveys if isinstance(one.problem, DatasetError)]
        if damaged:
            return self._refused(surveys, damaged[0])
        if self.round_fractions:
            for survey in surveys:
                if survey.scale is not None and survey.scale.may_be_rounded:
                    return self._rounded(survey, surveys)
        what = "; ".join(f"in {one.name}, {one.described()}" for one in surveys)
        remedy = self._or_without(self._remedy(surveys))
        return self._refused(
            surveys, DatasetError(f"{modality} holds no raw counts: {what}", remedy=remedy)
        )

    def _rounded(self, survey: Survey, surveys: tuple[Survey, ...]) -> CountsVerdict:
        modality, candidate = self.part.modality, survey.candidate
        cells, names = self.part.obs.index[self.rows], candidate.features
        evidence, rounding = Evidence(len(names)), Rounding()
        try:
            matrix, columns = candidate.open(), candidate.columns
            for block in verified_counts(matrix, self.rows, columns, cells, names, rounding):
                evidence.update(block)
        except NotCounts as problem:
            refusal = DatasetError(f"{modality} can't be rounded: {problem}")
            return self._refused(surveys, refusal)
        doubts = evidence.doubts(modality)
        record = rounding.record()
        rounded = replace(survey, evidence=evidence, doubts=doubts, rounded=record)
        if rounded.grave and not self.is_named(survey.candidate):
            return self._refused(surveys, self._grave(rounded))
        notes = [f"{modality}: {survey.name}: {rounding}"]
        if survey.scale is not None and not survey.scale.spread_counts:
            notes.append(
                f"{modality}: whether these were counts can't be told from the values "
                f"({survey.scale.text})"
            )
        notes += [f"{modality}: {survey.name} {one}" for one in doubts]
        return CountsVerdict(modality, rounded, "; ".join(notes), tuple(notes), surveys)

    def _remedy(self, surveys: tuple[Survey, ...]) -> str:
        others = self.other_layers({one.name for one in surveys})
        if others:
            return f"Take the counts from {self._either(others)}"
        missing = self._missing(surveys)
        if missing is not None:
            return missing
        kinds = {one.problem.kind for one in surveys if isinstance(one.problem, NotCounts)}
        scales = [one.scale for one in surveys if one.scale is not None]
        if any(scale.spread_counts for scale in scales):
            return (
                "Give the counts before the correction (their file, or a layer with --layer NAME)"
                f", or round these to whole numbers with --round {self.part.modality}: how many "
                "values that changes, and by how much, is recorded."
            )
        if kinds <= {WrongValue.LARGE, WrongValue.INFINITE}:
            return (
                "No experiment counts so high: look for sums over many cells, intensities, or "
                "values that were not reversed from a logarithm, and give the counts themselves."
            )
        text = (
            "Models need raw counts, which can't be had back from normalised values. They may be "
            "in adata.raw, in another layer or in the file before normalisation: keep them there "
            "with adata.layers['counts'] = adata.X.copy(), and pass --layer counts."
        )
        if any(scale.too_large for scale in scales):
            text += (
                " If a tool only made counts fractional, --round "
                f"{self.part.modality} rounds them, and records by how much."
            )
        return text

    def _missing(self, surveys: tuple[Survey, ...]) -> str | None:
        for one in surveys:
            if isinstance(one.problem, NotCounts) and one.problem.kind is WrongValue.MISSING:
                found = self.missing_values(one.candidate)
                return found.remedy(self.part.modality)
        return None

    def missing_values(self, candidate: Candidate) -> MissingValues:
        """Read a matrix once, and say where its values are missing."""
        blocks = selected_blocks(candidate.open(), self.rows, candidate.columns)
        return MissingValues.of(blocks, candidate.features, self.batches)

    def other_layers(self, known: set[str]) -> list[str]:
        """Return layers that hold counts without a grave doubt, of those not looked at yet."""
        found = []
        names = [name for name in self.part.layers if f"layers[{name!r}]" not in known]
        for layer in names[:MOST_LAYERS]:
            for candidate in self.part.candidates(layer):
                if candidate.name == f"layers[{layer!r}]":
                    survey = self.survey(candidate)
                    if survey.holds_counts and not survey.grave:
                        found.append(layer)
        return found

    def layer_option(self, name: str) -> str:
        """Return the option that names a matrix, such as ``X`` or ``layers['umi']``.

        Where there are other modalities, with the layers that were named for them.
        """
        quoted = name.removeprefix("layers[")
        layer = name if quoted == name else literal_eval(quoted.removesuffix("]"))
        if len(self.together) < 2:
            return f"--layer {shlex.quote(layer)}"
        named = {other.modality: other.layer for other in self.together if other.layer}
        words = {**named, self.part.modality: layer}
        return f"--layer {' '.join(shlex.quote(f'{key}={value}') for key, value in words.items())}"

    def _either(self, layers: list[str]) -> str:
        ways = (f"layer {name!r} with {self.layer_option(f'layers[{name!r}]')}" for name in layers)
        return " or ".join(ways)

    def _or_without(self, step: str) -> str:
        """Return a next step with the way to go on without the modality, if it is not the only one.

        A command is followed by a space at least: a point would be taken for a part of it.
        """
        others = [other.modality for other in self.together if other is not self.part]
        if not others:
            return step
        way = f"go on with {' and '.join(others)} alone: --without {self.part.modality}"
        if not step:
            return f"{way[0].upper()}{way[1:]}"
        return f"{step} Or {way}" if step.endswith(".") else f"{step} – or {way}"

    def _better(self, best: Survey, other: Survey) -> tuple[Survey, str | None] | DatasetError:
        """Return the better one of two matrices of whole numbers, with a note; or that none is."""
        if not other.comparable:
            return best, f"{best.name} was taken; {other.name} lacks some of its features"
        if not other.holds_counts or best.sha256 == other.sha256:
            return best, None
        if best.standing != other.standing:
            winner, loser = (best, other) if best.standing > other.standing else (other, best)
            return (
                winner,
                f"counts were taken from {winner.name}, as {loser.name} {loser.described()}",
            )
        ours, theirs = best.totals, other.totals
        share = f"{_share(ours.sum(), theirs.sum())} of its counts, and in no cell more"
        if _is_left_of(best.evidence, other.evidence):
            return other, (
                f"counts were taken from {other.name}, as {best.name} has {share}: it seems to be "
                "what a correction, a filter or down-sampling left of them "
                f"({self.layer_option(best.name)} takes it all the same)"
            )
        differ = int((ours != theirs).sum())
        return DatasetError(
            f"{self.part.modality} holds two matrices that both look like raw counts: {best.name} "
            f"with {ours.sum():,.0f} counts and {other.name} with {theirs.sum():,.0f}, and "
            + (
                f"{differ:,} of {len(ours):,} cells have another total"
                if differ
                else "every cell has the same total in both, of other features"
            ),
            remedy=f"Say which one holds the raw counts, with {self.layer_option(best.name)} or "
            f"{self.layer_option(other.name)}",
        )


def _restricted(candidate: Candidate, names: pd.Index) -> Candidate | None:
    """Return the candidate with these features only, in their order; None where it lacks some."""
    own = candidate.features
    if own.equals(names):
        return candidate
    places = own.get_indexer(names) if own.is_unique else np.full(1, -1)
    if (places < 0).any():
        return None
    columns = np.arange(len(own)) if candidate.columns is None else candidate.columns
    return replace(candidate, columns=columns[places])


def _is_left_of(less: Evidence | None, more: Evidence | None) -> bool:
    """Return whether taking counts away, and nothing else, may have made the one of the other."""
    if less is None or more is None or less.totals.sum() == more.totals.sum():
        return False
    pairs = (
        (less.totals, more.totals),
        (less.lengths, more.lengths),
        (less.per_feature, more.per_feature),
    )
    return all(bool((one <= other).all()) for one, other in pairs)


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.3g} %" if whole else "0 %"
