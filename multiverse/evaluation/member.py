"""Scores one member: every metric that is asked for, a value or a reason each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multiverse.contract.evaluation import (
    BeginLine,
    EvaluationFiles,
    EvaluationSettings,
    MemberLine,
    ScoreLine,
)
from multiverse.contract.files import written_aside
from multiverse.contract.scores import Reason
from multiverse.evaluation.case import Case, half_size
from multiverse.evaluation.controls import controls
from multiverse.evaluation.embeddings import of_ordinary_size, read_embedding
from multiverse.evaluation.metric import Metric
from multiverse.evaluation.modalities import ModalityView
from multiverse.evaluation.needs import Need, unmet
from multiverse.evaluation.neighbours import Matrix, find_neighbours, neighbours_needed
from multiverse.evaluation.sheet import AnswerSheet

Emitted = BeginLine | ScoreLine | MemberLine
#: Characters of a library's message that are kept.
MAX_DETAIL = 500


@dataclass(frozen=True)
class MemberContext:
    """The data that all members share. ``scratch``: a folder for what several need.

    ``memory``: bytes that there are for all of it, 0 where nobody knows.
    """

    files: EvaluationFiles
    sheet: AnswerSheet
    modalities: dict[str, ModalityView]
    settings: EvaluationSettings
    seeds: dict[str, tuple[str, ...]]
    scratch: Path
    memory: int = 0

    def points(self, member: str) -> Matrix:
        """Return the embedding of a run, or of a control."""
        made = controls(self.sheet, self.modalities, self.settings.seed)
        if member in made:
            return made[member]
        path = self.files.embeddings(member)
        return of_ordinary_size(read_embedding(path, self.sheet, self.memory))

    def structure_neighbours(self, run_id: str) -> NDArray[np.int64]:
        """Return the nearest other cells in a run's embedding, (n_cells, k), and keep them."""
        kept = self.scratch / f"{run_id}.npy"
        if kept.is_file():
            found: NDArray[np.int64] = np.load(kept, allow_pickle=False)
            return found
        k = self.settings.structure_neighbours
        exact = self.sheet.n_cells <= self.settings.max_cells
        points = self.points(run_id)
        # As many as an embedding has for its own metrics: an approximate search finds others else.
        wanted = neighbours_needed(self.settings)
        found = find_neighbours(points, wanted, exact=exact, seed=self.settings.seed).others(k)
        with written_aside(kept, durable=False) as aside:
            np.save(aside, found, allow_pickle=False)
        return found


def score_member(
    bench: MemberContext, member: str, metrics: tuple[Metric, ...]
) -> Iterator[Emitted]:
    """Score every metric in turn; one that fails is a reason, and the next follows."""
    try:
        case = _case(bench, member)
        began = time.monotonic()
        if case.whole.n_cells > 1:
            _ = case.whole.neighbours
        seconds = time.monotonic() - began
    except Exception as error:
        for metric in metrics:
            yield _failed(partial(ScoreLine, member=member, metric=metric.name), error)
        yield MemberLine(member=member, neighbours_seconds=0.0)
        return
    for metric in metrics:
        yield BeginLine(member=member, metric=metric.name)
        yield _score(case, metric)
    yield MemberLine(member=member, neighbours_seconds=seconds)


def _case(bench: MemberContext, member: str) -> Case:
    return Case(
        name=member,
        points=bench.points(member),
        sheet=bench.sheet,
        modalities=bench.modalities,
        settings=bench.settings,
        sibling_ids=bench.seeds.get(member, ()),
        find_sibling=bench.structure_neighbours,
    )


def _score(case: Case, metric: Metric) -> ScoreLine:
    began = time.monotonic()
    line = partial(ScoreLine, member=case.name, metric=metric.name)
    try:
        lacking = unmet(metric.needs, case)
        if lacking is not None:
            return line(value=None, reason=lacking.reason, detail=lacking.detail)
        estimate = metric.compute(case)
        replicates = replicates_of(case, metric)
    except Exception as error:
        return _failed(line, error, began)
    if not np.isfinite(estimate.value):
        return _failed(line, f"the result is {estimate.value}", began)
    seconds = time.monotonic() - began
    return line(
        value=estimate.value,
        detail=estimate.remark,
        parts=dict(estimate.parts),
        variants=dict(estimate.variants),
        replicates=tuple(replicates),
        n_cells=len(estimate.cells),
        approximate=_approximations(case, metric),
        seconds=seconds,
    )


def replicates_of(case: Case, metric: Metric) -> list[float | None]:
    """Return the metric of random halves of the cells; None where a need is not met there.

    The variance over halves, drawn without replacement, is that of the metric of all cells (the
    jackknife that deletes half: Shao and Wu 1989, doi 10.1214/aos/1176347263). Parts of m < n / 2
    cells vary more: their deviations are multiplied by √(m / (n - m)).
    """
    if not metric.in_halves:
        return []
    found = np.array([_of_half(case, metric, number) for number in range(case.settings.replicates)])
    n_cells = case.sheet.n_cells
    size = half_size(n_cells)
    factor = np.sqrt(size / (n_cells - size))
    if np.isfinite(found).any():
        middle = np.nanmean(found)
        found = middle + factor * (found - middle)
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in found]


def _of_half(case: Case, metric: Metric, number: int) -> float:
    half = case.half(number)
    try:
        if unmet(metric.needs, half) is not None:
            return float("nan")
        return metric.compute(half).value
    except MemoryError:
        raise
    except Exception:  # a half that a library can't score says nothing of the value
        return float("nan")


def _failed(
    line: Callable[..., ScoreLine], why: Exception | str, began: float | None = None
) -> ScoreLine:
    """Return the line of a metric that failed; without memory it is tried again with more."""
    detail = why if isinstance(why, str) else _readable(why)
    short = isinstance(why, MemoryError)
    return line(
        value=None,
        reason=Reason.EVALUATOR_FAILED if short else Reason.METRIC_FAILED,
        detail=f"memory ran out: {detail}"[:MAX_DETAIL] if short else detail,
        seconds=0.0 if began is None else time.monotonic() - began,
    )


def _approximations(case: Case, metric: Metric) -> tuple[str, ...]:
    words = []
    if metric.quadratic and case.sample is not case.labelled:
        words.append("subsample")
    space = case.labelled if Need.LABELS in metric.needs else case.whole
    if metric.by_neighbours and not space.neighbours.exact:
        words.append("neighbours")
    return tuple(words)


def _readable(error: Exception) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text[:MAX_DETAIL]
