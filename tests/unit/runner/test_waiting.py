"""Who is next: in order, past those that find no room, but not for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multiverse.engines.protocol import Capacity, Gpu, Runtime
from multiverse.plan.job import Limits
from multiverse.runner.capacity import Room
from multiverse.runner.prepared import PreparedJob
from multiverse.runner.waiting import MOST_OVERTAKEN, Waiting, WaitingLine
from tests.unit.runner.jobs import GIB, make_job


def waiting(seed: int, cpus: float = 1, **changes: Any) -> Waiting:
    limits = Limits(cpus=cpus, memory=GIB)
    job = make_job(seed=seed, limits=limits, **changes)
    runtime = Runtime(model=job.model, environment_lock="sha256:0")
    identity = job.identity(runtime.digest)
    return Waiting(PreparedJob(job, Path(), runtime, identity, "", {}, "cpu"), limits)


def line_of(room: Room, *jobs: Waiting) -> WaitingLine:
    line = WaitingLine(room)
    for job in jobs:
        line.add(job)
    return line


def seeds(line: WaitingLine) -> list[int]:
    """The seeds of all that can be started now, in the order of starting."""
    found = []
    while (following := line.next()) is not None:
        found.append(following[0].prepared.job.seed)
    return found


def test_in_order_while_there_is_room() -> None:
    line = line_of(Room(Capacity(2, 8 * GIB)), waiting(0), waiting(1), waiting(2))
    assert (seeds(line), len(line)) == ([0, 1], 1)


def test_a_job_that_finds_no_room_is_overtaken() -> None:
    room = Room(Capacity(3, 8 * GIB))
    assert room.take(Limits(cpus=2, memory=GIB), "cpu") is not None
    line = line_of(room, waiting(0, cpus=2), waiting(1), waiting(2))
    assert (seeds(line), len(line)) == ([1], 2)


def test_but_not_for_ever() -> None:
    room = Room(Capacity(2, 8 * GIB))
    running = room.take(Limits(cpus=1, memory=GIB), "cpu")
    assert running is not None
    line = line_of(room, waiting(99, cpus=2), *(waiting(seed) for seed in range(50)))
    started = 0
    while (following := line.next()) is not None:
        started += 1
        room.give_back(following[1])  # each ends at once, and the next could take its place
    assert started == MOST_OVERTAKEN
    room.give_back(running)
    following = line.next()
    assert following is not None
    assert following[0].prepared.job.seed == 99


def test_a_job_for_a_gpu_does_not_keep_others_waiting() -> None:
    room = Room(Capacity(8, 8 * GIB, (Gpu("0", "A", GIB),)))
    gpu = [waiting(seed, device="cuda") for seed in range(3)]
    line = line_of(room, *gpu, waiting(7))
    assert seeds(line) == [0, 7]


def test_what_is_repeated_comes_first() -> None:
    line = line_of(Room(Capacity(1, 8 * GIB)), waiting(0), waiting(1))
    again = waiting(5)
    again.overtaken = 3
    line.add_first(again)
    assert (seeds(line), again.overtaken) == ([5], 0)


def test_thousands_of_equal_jobs_are_asked_once() -> None:
    """One look at a machine without room asks for room once, not once a job."""
    asked = []

    class Counting(Room):
        def take(self, limits: Limits, device: str) -> Any:
            asked.append(limits)
            return super().take(limits, device)

    line = line_of(Counting(Capacity(0.5, GIB)), *(waiting(seed) for seed in range(1000)))
    assert line.next() is None
    assert len(asked) == 1
