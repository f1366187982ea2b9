"""How long one step of the evaluator may take."""

from __future__ import annotations

import pytest

from multiverse.specs.evaluator import TIME_LIMIT, step_seconds


def test_it_grows_with_the_cells_and_with_the_limit_of_all() -> None:
    assert step_seconds(500) == pytest.approx(315)
    assert step_seconds(10_000) == pytest.approx(600)
    assert step_seconds(1_000_000) == pytest.approx(30_300)
    assert step_seconds(500, 2 * TIME_LIMIT) == pytest.approx(630)
    assert step_seconds(500, 60) == step_seconds(500), "a shorter one ends all of it instead"
