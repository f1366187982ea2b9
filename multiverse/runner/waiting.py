"""The jobs that wait for room, and which of them is next."""

from __future__ import annotations

from dataclasses import dataclass

from multiverse.plan.job import Limits
from multiverse.runner.capacity import Room, Share
from multiverse.runner.prepared import PreparedJob
from multiverse.runner.recovery import Survivor

#: So many jobs may overtake one that finds no room; then it is waited for.
MOST_OVERTAKEN = 16


@dataclass
class Waiting:
    """A job with the limits of its next attempt. ``made`` counts the attempts of this command."""

    prepared: PreparedJob
    limits: Limits
    made: int = 0
    overtaken: int = 0
    survivor: Survivor | None = None
    #: The newest record there was when another runner was found at work on it.
    seen: str | None = None

    @property
    def run_id(self) -> str:
        return self.prepared.run_id


class WaitingLine:
    """In the order of starting. A job that finds no room is overtaken by those that do.

    Otherwise a large job would keep small ones waiting that could run beside what runs; but not
    for ever, or small ones that keep coming would keep the large one waiting.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._jobs: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, waiting: Waiting) -> None:
        """Add a job at the end."""
        self._jobs.append(waiting)

    def add_first(self, waiting: Waiting) -> None:
        """Add a job at the front: one that has been waited for, or that is repeated."""
        waiting.overtaken = 0
        self._jobs.insert(0, waiting)

    def next(self) -> tuple[Waiting, Share] | None:
        """Return the first job that there is room for, with its room taken, or None."""
        passed: list[Waiting] = []
        no_room: set[tuple[float, int, str]] = set()  # thousands of jobs may need the same
        for place, waiting in enumerate(self._jobs):
            need = (waiting.limits.cpus, waiting.limits.memory, waiting.prepared.job.device)
            device = waiting.prepared.job.device
            share = None if need in no_room else self._room.take(waiting.limits, device)
            if share is not None:
                for item in passed:
                    item.overtaken += 1
                del self._jobs[place]
                return waiting, share
            if waiting.overtaken >= MOST_OVERTAKEN:
                return None
            no_room.add(need)
            passed.append(waiting)
        return None
