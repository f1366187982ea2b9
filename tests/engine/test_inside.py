"""Every model and the evaluator with their own libraries: tests run in the locked environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inside.__main__ import run_inside

INSIDE = Path(__file__).resolve().parent.parent / "inside"


#: The longest first. Each model in a group of its own: they have nothing in common.
MODELS = sorted(
    (path.parent.name for path in INSIDE.glob("*/__init__.py")),
    key=lambda name: -len(list((INSIDE / name).glob("test_*.py"))),
)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "model",
    [pytest.param(name, marks=pytest.mark.xdist_group(f"inside-{name}")) for name in MODELS],
)
def test_model_with_its_own_libraries(model: str) -> None:
    assert run_inside(model, ["-q"]) == 0
