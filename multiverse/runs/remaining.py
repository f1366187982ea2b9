"""Estimates the remaining time from what is known; None where that is not enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multiverse.facts import EpochFacts


@dataclass(frozen=True)
class Remaining:
    """Seconds until all jobs have ended; ``at_least`` if some are not counted."""

    seconds: float
    at_least: bool = False


class EpochPace:
    """Measures the seconds that an epoch takes, from the first that is seen to the newest.

    What a job does before its first epoch is so no part of it.
    """

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._newest: tuple[int, float] | None = None

    def see(self, number: int, elapsed: float) -> float | None:
        """Return the pace when epoch ``number`` is the newest at ``elapsed`` seconds of the job.

        None until a second one has been seen. Epochs that count anew are measured anew.
        """
        if self._first is None or self._newest is None or number < self._newest[0]:
            self._first = self._newest = (number, elapsed)
        elif number > self._newest[0]:
            self._newest = (number, elapsed)
        epochs = self._newest[0] - self._first[0]
        return (self._newest[1] - self._first[1]) / epochs if epochs else None


def job_remaining(elapsed: float, epoch: EpochFacts | None, expected: float | None) -> float | None:
    """Return the seconds that a running job still needs.

    From the pace of its epochs where their number is known, otherwise from the ``expected``
    seconds of the whole job. A limit of epochs is no number of them. None if there is neither, or
    if it has taken longer than was expected.
    """
    if epoch is not None and epoch.total is not None and epoch.pace is not None:
        left = epoch.total - epoch.number
        if not epoch.limit and left >= 0:
            return epoch.pace * left
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
