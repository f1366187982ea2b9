"""Two results folders: what changed, and whether it matters.

A difference matters where its 95 % interval leaves out 0 (:mod:`multiverse.runs.intervals`): both
folders' scores are of the same halves of the same cells. With one seed on a side it holds the
sampling of cells only, and the verdict says so. Scores of different data, labels or evaluators are
not held against each other at all: that is said first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from multiverse.compare.matching import (
    Facts,
    FolderConfiguration,
    asked,
    changes,
    matched,
    of_folder,
)
from multiverse.contract.scores import MetricFacts
from multiverse.report.summary import Cell
from multiverse.report.words import plain, settings
from multiverse.runs.aggregate import AGGREGATES
from multiverse.runs.intervals import difference
from multiverse.runs.results import Results


class DifferenceVerdict(StrEnum):
    """A verdict on the difference of two scores."""

    EQUAL = "equal"
    WITHIN = "within the interval"
    BETTER = "better"
    WORSE = "worse"
    BETTER_OF_ONE = "better beyond sampling of cells; one seed, the training's chance is not known"
    WORSE_OF_ONE = "worse beyond sampling of cells; one seed, the training's chance is not known"
    NOT_KNOWN = "not known"
    #: Different data, labels or evaluators: the numbers don't mean the same.
    NOT_COMPARABLE = "not comparable"
    #: One of the two has no value.
    NO_VALUE = "no value"


#: What is left of a verdict where one of the sides has a single seed.
OF_ONE = {
    DifferenceVerdict.BETTER: DifferenceVerdict.BETTER_OF_ONE,
    DifferenceVerdict.WORSE: DifferenceVerdict.WORSE_OF_ONE,
}


@dataclass(frozen=True)
class ScoreChange:
    """One metric, or one aggregate, in both folders.

    ``threshold``: what the absolute difference has to exceed to matter; None: not known.
    """

    name: str
    title: str
    before: float | None
    after: float | None
    threshold: float | None
    verdict: DifferenceVerdict

    @property
    def difference(self) -> float | None:
        if self.before is None or self.after is None:
            return None
        return self.after - self.before


@dataclass(frozen=True)
class Change:
    """One thing that is not the same in A (``before``) and B (``after``), as text."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Pair:
    """A configuration that both folders have. ``seconds``, ``peak_bytes``: (A, B), mean of runs.

    ``unscored``: the folders, of A and B, where it has no scores.
    """

    dataset: str
    fingerprint: str
    label: str
    identity: tuple[Change, ...]
    not_comparable: tuple[str, ...]
    scores: tuple[ScoreChange, ...]
    rank: tuple[int | None, int | None]
    seconds: tuple[float | None, float | None]
    peak_bytes: tuple[float | None, float | None]
    unscored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """All of it. ``warnings``: what to know before any number is looked at."""

    before: str
    after: str
    warnings: tuple[str, ...]
    pairs: tuple[Pair, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]


def compare_results(before: Results, after: Results) -> Difference:
    """Compare B (``after``) with A (``before``).

    Configurations are the same if dataset, fingerprint, model, preprocessing and the parameters
    that were changed from the model's defaults are.
    """
    found = of_folder(before), of_folder(after)
    pairs, only_before, only_after = matched(found[0], found[1])
    return Difference(
        before=str(before.folder),
        after=str(after.folder),
        warnings=tuple(_warnings((before, after), pairs)),
        pairs=tuple(_pair(first, second) for first, second in pairs),
        only_before=tuple(_only(only_before, after)),
        only_after=tuple(_only(only_after, before)),
    )


def _only(found: Sequence[FolderConfiguration], other: Results) -> Iterator[str]:
    """Yield the names of configurations, and what became of them in the other folder."""
    ended = {
        asked(run.record): str(run.record.cause or run.record.state).replace("_", " ")
        for run in other.runs
        if not run.complete
    }
    for item in found:
        end = ended.get(asked(item.record))
        yield item.name + (f" (not complete in the other: {end})" if end else "")


def _warnings(
    folders: tuple[Results, Results],
    pairs: Sequence[tuple[FolderConfiguration, FolderConfiguration]],
) -> Iterator[str]:
    first, second = (dict(_fingerprints(item)) for item in folders)
    for name in sorted(first.keys() & second.keys()):
        if not first[name] & second[name]:
            yield (
                f"{name} is other data in B (fingerprint {_short(first[name])}, then "
                f"{_short(second[name])}): its scores are not compared"
            )
    reasons = dict.fromkeys(
        f"{one.record.dataset}: {reason}"
        for one, other in pairs
        for reason in _not_comparable(one, other)
    )
    yield from (
        f"{reason}: scores are shown, but not held against each other" for reason in reasons
    )
    for letter, item in zip("AB", folders, strict=True):
        yield from (f"{letter}: {plain(sentence)}" for sentence in item.damaged)


def _fingerprints(results: Results) -> Iterator[tuple[str, set[str]]]:
    for dataset in dict.fromkeys(name for name, _ in results.datasets):
        yield plain(dataset, 64), {mark for name, mark in results.datasets if name == dataset}


def _short(fingerprints: set[str]) -> str:
    return " ".join(sorted(plain(fingerprint, 64)[:8] for fingerprint in fingerprints))


def _pair(first: FolderConfiguration, second: FolderConfiguration) -> Pair:
    not_comparable = tuple(_not_comparable(first, second))
    record = first.record
    return Pair(
        dataset=plain(record.dataset, 64),
        fingerprint=plain(record.dataset_fingerprint, 64),
        label=first.label,
        identity=tuple(
            Change(what, old, new) for what, old, new in changes(first.facts(), second.facts())
        ),
        not_comparable=not_comparable,
        scores=tuple(_scores(first, second, comparable=not not_comparable)),
        rank=(_rank(first), _rank(second)),
        seconds=(_seconds(first), _seconds(second)),
        peak_bytes=(_peak(first), _peak(second)),
        unscored=tuple(
            letter for letter, item in zip("AB", (first, second), strict=True) if item.row is None
        ),
    )


def _not_comparable(first: FolderConfiguration, second: FolderConfiguration) -> Iterator[str]:
    """Yield what makes scores of equal data incomparable."""
    if first.evaluation is None or second.evaluation is None:
        return
    for what, old, new in changes(_judged(first), _judged(second)):
        yield f"{what} differs ({old}, then {new})"


def _judged(found: FolderConfiguration) -> Facts:
    assert found.evaluation is not None  # noqa: S101 - asked before
    sheet, evaluator = found.evaluation.sheet, found.evaluation.evaluator
    return {
        "evaluator's version": evaluator.version,
        "scib-metrics' version": evaluator.scib_metrics,
        "evaluator's settings": settings(sorted(evaluator.settings.items())),
        "weights of means": found.evaluation.weights.model_dump_json(),
        "held-out labels": (found.evaluation.labels_fingerprint or "none")[:16],
        "label column": sheet.label_key,
        "batch column": sheet.batch_key,
        "labels that mean unknown": ", ".join(sorted(sheet.unlabelled)),
    }


def _scores(
    first: FolderConfiguration, second: FolderConfiguration, *, comparable: bool
) -> Iterator[ScoreChange]:
    if first.row is None or second.row is None:
        return
    facts = {metric.name: metric for metric in (*first.metrics, *second.metrics)}
    for name in AGGREGATES:
        cells = first.row.aggregate(name), second.row.aggregate(name)
        # A mean over other metrics is another number.
        differing = first.row.in_total ^ second.row.in_total
        differing |= first.row.varying | second.row.varying
        same = not any(name in ("total", facts[metric].group.value) for metric in differing)
        yield _change(name, name, cells, comparable=comparable and same)
    for metric in facts.values():
        yield _metric(metric, first.row.metrics, second.row.metrics, comparable=comparable)


def _metric(
    metric: MetricFacts,
    before: Mapping[str, Cell],
    after: Mapping[str, Cell],
    *,
    comparable: bool,
) -> ScoreChange:
    nothing = Cell(None)
    cells = before.get(metric.name, nothing), after.get(metric.name, nothing)
    # What is approximate in one folder and exact in the other was not measured in the same way.
    same = cells[0].approximate == cells[1].approximate
    return _change(
        metric.name,
        plain(metric.title, 60),
        cells,
        comparable=comparable and same,
        higher_is_better=metric.higher_is_better,
    )


def _change(
    name: str,
    title: str,
    cells: tuple[Cell, Cell],
    *,
    comparable: bool,
    higher_is_better: bool = True,
) -> ScoreChange:
    before, after = cells
    threshold = _threshold(before, after)
    verdict = _verdict(before.value, after.value, threshold, higher_is_better)
    if min(before.n, after.n) == 1:
        verdict = OF_ONE.get(verdict, verdict)
    if not comparable and verdict is not DifferenceVerdict.NO_VALUE:
        verdict = DifferenceVerdict.NOT_COMPARABLE
    return ScoreChange(name, title, before.value, after.value, threshold, verdict)


def _threshold(before: Cell, after: Cell) -> float | None:
    if before.sample is None or after.sample is None:
        return None
    found = difference(after.sample, before.sample)
    return None if found is None else (found.high - found.low) / 2


def _verdict(
    before: float | None, after: float | None, threshold: float | None, higher_is_better: bool
) -> DifferenceVerdict:
    if before is None or after is None:
        return DifferenceVerdict.NO_VALUE
    if before == after:
        return DifferenceVerdict.EQUAL
    if threshold is None:
        return DifferenceVerdict.NOT_KNOWN
    if abs(after - before) <= threshold:
        return DifferenceVerdict.WITHIN
    return (
        DifferenceVerdict.BETTER
        if (after > before) is higher_is_better
        else DifferenceVerdict.WORSE
    )


def _rank(found: FolderConfiguration) -> int | None:
    return None if found.row is None else found.row.rank


def _seconds(found: FolderConfiguration) -> float | None:
    return _mean([run.record.usage.wall_seconds for run in found.runs])


def _peak(found: FolderConfiguration) -> float | None:
    peaks = [run.record.usage.peak_memory_bytes for run in found.runs]
    return _mean([float(peak) for peak in peaks if peak is not None])


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
