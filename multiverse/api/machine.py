"""The machine: whether jobs can run on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiverse.doctor import MachineFinding


def doctor(results: str | Path = "results") -> list[MachineFinding]:
    """Examine this machine: engines, disk, memory, GPU, clock.

    ``results``: the folder that results would go to. Each finding has what to do about it.
    """
    from multiverse.doctor.examination import examine
    from multiverse.doctor.scene import Scene
    from multiverse.registry.models import BUILT_IN
    from multiverse.specs.evaluator import EvaluatorSpec
    from multiverse.specs.model import ModelSpec

    models = tuple(ModelSpec.load(path.parent) for path in sorted(BUILT_IN.glob("*/model.yaml")))
    return list(examine(Scene.here(Path(results), (*models, EvaluatorSpec.load()))))
