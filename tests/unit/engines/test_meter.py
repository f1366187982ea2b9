"""The wall time of a job: the daemon's word, unless its clock has jumped."""

from __future__ import annotations

import pytest

from multiverse.engines.meter import Meter

DAYS = 5 * 24 * 3600.0


@pytest.mark.parametrize(
    ("said", "low", "high"), [(0.5, 0.5, 0.5), (DAYS, 0, 60), (None, 0, 60), (-DAYS, 0, 60)]
)
def test_of_a_job_that_was_seen_whole(said: float | None, low: float, high: float) -> None:
    meter = Meter()
    meter.end(said)
    assert low <= meter.usage().wall_seconds <= high


def test_of_a_job_that_was_taken_over_the_daemon_knows_more() -> None:
    meter = Meter()
    meter.end(DAYS, whole=False)
    assert meter.usage().wall_seconds == DAYS
