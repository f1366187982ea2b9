"""Estimates the memory that a job needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from multiverse.forecast.extrapolate import FARTHEST, Expected, Known, SizedFigure, at_size
from multiverse.forecast.history import PastRun
from multiverse.forecast.similar_runs import PastRuns, Subject
from multiverse.specs.quantity import format_bytes

#: What a process has before it has read any data: Python and the libraries that all models share
#: (``pca``, extrapolated to no cells, in ``benchmarks/models/results/scaling.json``).
BASE_BYTES = 128 * 1024**2


@dataclass(frozen=True)
class MemoryEstimate:
    """The memory that a job is expected to need, in bytes.

    ``known`` says how ``expected`` is meant: about so much, at least (runs on no more data ran
    out of what they had), or at most (only runs on far more, or far less, data are known).
    ``high`` is None where there is no upper bound. ``runs`` is how many past runs it is drawn
    from, ``words`` what is said of them to people.
    """

    expected: int
    low: int
    high: int | None
    known: Known
    runs: int
    words: str


def estimate_memory(past: PastRuns, subject: Subject, least: int) -> MemoryEstimate | None:
    """Estimate from the past runs that tell of memory; None if there is none of the model.

    ``least`` is what the counts alone need, in bytes.
    """
    runs = past.alike(subject)
    if not runs:
        return None
    base = _base(past.of_model(subject), runs)
    completed = [run for run in runs if not run.out_of_memory]
    enough = _from_completed(completed, subject, base, least) if completed else None
    short = max(
        _from_exhausted(runs, completed, subject, base),
        key=lambda estimate: estimate.expected,
        default=None,
    )
    if short is None or (enough is not None and enough.expected >= short.expected):
        return enough
    return short


def _base(all_runs: Iterable[PastRun], runs: Sequence[PastRun]) -> float:
    """Return the part of a model's memory that does not depend on the data.

    The least that it ever took on far less data than in ``runs``, with whatever settings: a
    model that imports PyTorch has several times :data:`BASE_BYTES`.
    """
    smallest = min(run.n_values for run in runs)
    peaks = [
        run.peak_memory_bytes
        for run in all_runs
        if run.peak_memory_bytes and not run.out_of_memory and FARTHEST * run.n_values <= smallest
    ]
    return max(BASE_BYTES, min(peaks, default=0))


def _from_completed(
    runs: Sequence[PastRun], subject: Subject, base: float, least: int
) -> MemoryEstimate:
    points = [SizedFigure(run.n_values, run.peak_memory_bytes or 0) for run in runs]
    found = _capped(at_size(points, subject.n_values, base, least), runs, subject)
    return MemoryEstimate(
        expected=round(found.value),
        low=round(found.low),
        high=round(found.high),
        known=found.known,
        runs=len(runs),
        words=_words(runs, subject, found),
    )


def _capped(found: Expected, runs: Sequence[PastRun], subject: Subject) -> Expected:
    """Cap at what was enough for a run on as many counts."""
    enough = [run.memory_limit for run in runs if run.n_values >= subject.n_values]
    cap = min(filter(None, enough), default=None)
    if cap is None:
        return found
    return replace(
        found, value=min(found.value, cap), low=min(found.low, cap), high=min(found.high, cap)
    )


def _words(runs: Sequence[PastRun], subject: Subject, found: Expected) -> str:
    """Return ``the last run of mofa on 10,000 cells used 2.1 GiB, so about 6.0 GiB are …``."""
    most = max(run.peak_memory_bytes or 0 for run in runs)
    cells = sorted({run.n_obs for run in runs})
    span = f"{cells[0]:,}" if len(cells) == 1 else f"{cells[0]:,} to {cells[-1]:,}"
    who, upto = ("the last run", "") if len(runs) == 1 else (f"{len(runs)} runs", "up to ")
    seen = f"{who} of {subject.model} on {span} cells used {upto}{format_bytes(most)}"
    if abs(found.value - most) < most / 20:
        return seen
    meant = "about" if found.known is Known.ABOUT else "up to"
    return f"{seen}, so {meant} {format_bytes(found.value)} are expected {_on(subject, cells)}"


def _on(subject: Subject, cells: Sequence[int]) -> str:
    """Return the job's data, told from those of past runs."""
    if subject.n_obs in cells:
        return f"for its {subject.n_values:,} counts"
    return f"on {subject.n_obs:,}"


def _from_exhausted(
    runs: Sequence[PastRun], completed: Sequence[PastRun], subject: Subject, base: float
) -> Iterator[MemoryEstimate]:
    """Yield lower bounds: what did not suffice for as many counts, or fewer.

    One that a run on as many counts has explained, or proved wrong since, is none.
    """
    for run in runs:
        if not run.out_of_memory or run.n_values > subject.n_values:
            continue
        limit = run.memory_limit
        if any(_settles(done, run) for done in completed):
            continue
        scaled = at_size([SizedFigure(run.n_values, limit)], subject.n_values, base)
        certain = not completed and scaled.known is Known.ABOUT
        expected = scaled.value if certain else float(limit)
        seen = f"the last run of {subject.model} on {run.n_obs:,} cells ran out of "
        seen += format_bytes(limit)
        if expected > limit:
            seen += f", so at least {format_bytes(expected)} are expected "
            seen += _on(subject, [run.n_obs])
        elif run.n_obs != subject.n_obs:
            seen += f", and there are {subject.n_obs:,} now"
        yield MemoryEstimate(round(expected), limit, None, Known.AT_LEAST, 1, seen)


def _settles(done: PastRun, exhausted: PastRun) -> bool:
    """Return whether a completed run tells more than one that ran out of memory.

    It needed more than the other was given; or what the other was given was enough, since.
    """
    if done.n_values < exhausted.n_values:
        return False
    if (done.peak_memory_bytes or 0) >= exhausted.memory_limit:
        return True
    later = done.finished_at > exhausted.finished_at
    return later and 0 < done.memory_limit <= exhausted.memory_limit
