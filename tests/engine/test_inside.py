"""Every model and the evaluator with their own libraries: tests run in the locked environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inside.__main__ import run_inside

INSIDE = Path(__file__).resolve().parent.parent / "inside"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("model", sorted(path.parent.name for path in INSIDE.glob("*/__init__.py")))
def test_model_with_its_own_libraries(model: str) -> None:
    assert run_inside(model, ["-q"]) == 0
