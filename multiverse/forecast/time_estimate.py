"""Estimates the time that a job takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from multiverse.forecast.extrapolate import FARTHEST, Expected, Known, SizedFigure, at_size
from multiverse.forecast.history import PastRun
from multiverse.forecast.similar_runs import PastRuns, Subject
from multiverse.specs.quantity import format_seconds

#: The seconds of starting a job and importing its libraries.
BASE_SECONDS = 5.0


@dataclass(frozen=True)
class TimeEstimate:
    """The wall seconds that a job is expected to take.

    ``known`` says how ``expected`` is meant, ``runs`` is how many past runs it is drawn from,
    ``seen`` names them (``2 runs on 1,000 to 2,000 cells``), and ``words`` is what is said of them.
    """

    expected: float
    low: float
    high: float
    known: Known
    runs: int
    seen: str
    words: str


def estimate_time(past: PastRuns, subject: Subject) -> TimeEstimate | None:
    """Estimate from completed runs; None if there is none of the model on that kind of device.

    Seconds grow with cells: a model trains on cells, of features that were selected to a fixed
    number. Runs with as many CPUs come first.
    """
    runs = past.alike(subject, lambda run: run.cpus == subject.cpus)
    if not runs:
        return None
    points = [SizedFigure(run.n_obs, run.wall_seconds) for run in runs]
    found = at_size(points, subject.n_obs, BASE_SECONDS)
    if subject.n_obs > FARTHEST * max(run.n_obs for run in runs):
        # On far more cells, what grows levels off: a line through small sizes is an upper limit.
        most = max(run.wall_seconds for run in runs)
        found = replace(found, low=min(most, found.value), known=Known.AT_MOST)
    seen = _seen(runs)
    words = f"{seen} took {_took(runs)}{_on_these(subject, runs, found)}"
    return TimeEstimate(found.value, found.low, found.high, found.known, len(runs), seen, words)


def _seen(runs: Sequence[PastRun]) -> str:
    cells = sorted({run.n_obs for run in runs})
    on = f"{cells[0]:,}" if len(cells) == 1 else f"{cells[0]:,} to {cells[-1]:,}"
    return f"{len(runs):,} run{'' if len(runs) == 1 else 's'} on {on} cells"


def _took(runs: Sequence[PastRun]) -> str:
    least, most = (format_seconds(pick(run.wall_seconds for run in runs)) for pick in (min, max))
    return least if least == most else f"{least} to {most}"


def _on_these(subject: Subject, runs: Sequence[PastRun], found: Expected) -> str:
    if {run.n_obs for run in runs} == {subject.n_obs}:
        return ""
    far = " at the most" if found.known is Known.AT_MOST else ""
    return f", so {format_seconds(found.value)}{far} on {subject.n_obs:,}"
