"""How long it takes yet is said only as far as it is known."""

from __future__ import annotations

import pytest

from multiverse.runs.remaining import Remaining, job_remaining, total_remaining


@pytest.mark.parametrize(
    ("elapsed", "epoch", "expected", "remaining"),
    [
        (10, (1, 4), None, 30),
        (10, (1, 4), 1000, 30),
        (10, (4, 4), None, 0),
        (10, (3, None), 25, 15),
        (10, (0, 4), 25, 15),
        (10, (5, 4), None, None),
        (10, None, 25, 15),
        (30, None, 25, None),
        (10, None, None, None),
        (10, (3, None), None, None),
    ],
)
def test_a_job(
    elapsed: float,
    epoch: tuple[int, int | None] | None,
    expected: float | None,
    remaining: float | None,
) -> None:
    assert job_remaining(elapsed, epoch, expected) == remaining


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
