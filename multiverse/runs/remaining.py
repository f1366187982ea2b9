"""Estimates the remaining time from what is known; None where that is not enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Remaining:
    """Seconds until all jobs have ended; ``at_least`` if some are not counted."""

    seconds: float
    at_least: bool = False


def job_remaining(
    elapsed: float, epoch: tuple[int, int | None] | None, expected: float | None
) -> float | None:
    """Return the seconds that a running job still needs.

    From the number of its newest ``epoch`` and their total where it tells them, otherwise from
    the ``expected`` seconds of the whole job. None if there is neither, or if it has taken longer
    than was expected.
    """
    if epoch is not None and epoch[1] is not None and 0 < epoch[0] <= epoch[1]:
        return elapsed * (epoch[1] - epoch[0]) / epoch[0]
    if expected is None or elapsed > expected:
        return None
    return expected - elapsed


def total_remaining(
    queued: Sequence[float | None], running: Sequence[float | None]
) -> Remaining | None:
    """Return the seconds that all jobs still need, if as many go on running at once as do now.

    ``queued`` has the expected seconds of each job that waits, ``running`` what each running one
    still needs. None while nothing runs, or while too little is known: of what waits, at least
    half must have an expectation.
    """
    known = [seconds for seconds in queued if seconds is not None]
    rest = [seconds for seconds in running if seconds is not None]
    if not running or not (known or rest) or 2 * len(known) < len(queued):
        return None
    shared = (sum(known) + sum(rest)) / len(running)
    complete = len(known) == len(queued) and len(rest) == len(running)
    return Remaining(max(shared, *rest, 0.0), at_least=not complete)
