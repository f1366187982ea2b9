"""How long it takes yet is said only as far as it is known."""

from __future__ import annotations

import pytest

from multiverse.facts import EpochFacts
from multiverse.runs.remaining import EpochPace, Remaining, job_remaining, total_remaining


def epoch(
    number: int, total: int | None, pace: float | None = None, *, limit: bool = False
) -> EpochFacts:
    return EpochFacts(number, total, {}, limit, pace)


@pytest.mark.parametrize(
    ("elapsed", "epoch", "expected", "remaining"),
    [
        (10, epoch(2, 4, 5), None, 10),
        (10, epoch(2, 4, 5), 1000, 10),
        (10, epoch(4, 4, 2), None, 0),
        (10, epoch(1, 4), None, None),
        (10, epoch(1, 4), 25, 15),
        (10, epoch(3, None, 2), 25, 15),
        (10, epoch(5, 4, 2), None, None),
        (10, None, 25, 15),
        (30, None, 25, None),
        (10, None, None, None),
        (10, epoch(3, None, 2), None, None),
        (426, epoch(71, 1000, 6, limit=True), None, None),
        (426, epoch(71, 1000, 6, limit=True), 490, 64),
    ],
)
def test_a_job(
    elapsed: float,
    epoch: EpochFacts | None,
    expected: float | None,
    remaining: float | None,
) -> None:
    assert job_remaining(elapsed, epoch, expected) == remaining


def test_what_comes_before_the_first_epoch_is_no_part_of_its_pace() -> None:
    pace = EpochPace()
    assert pace.see(1, 300) is None
    assert pace.see(1, 305) is None
    assert pace.see(2, 310) == 10
    assert pace.see(2, 315) == 10
    assert pace.see(5, 340) == 10
    assert pace.see(1, 350) is None
    assert pace.see(3, 352) == 1


@pytest.mark.parametrize(
    ("queued", "running", "remaining"),
    [
        ([10, 20], [6, 4], Remaining(20)),
        ([10, 20], [6], Remaining(36)),
        ([], [100, 1], Remaining(100)),
        ([1], [100, 1], Remaining(100)),
        ([10, None], [5], Remaining(15, at_least=True)),
        ([10, 10], [None], Remaining(20, at_least=True)),
        ([10, None, None], [5], None),
        ([], [None], None),
        ([None], [5], None),
        ([10], [], None),
        ([], [], None),
    ],
)
def test_all_jobs(
    queued: list[float | None], running: list[float | None], remaining: Remaining | None
) -> None:
    assert total_remaining(queued, running) == remaining
