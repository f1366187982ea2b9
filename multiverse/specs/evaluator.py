"""The evaluator as engines see it: built, found and run as a model is."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from multiverse.specs.model import ModelSpec, ModelYaml
from multiverse.specs.yaml_file import YamlFile

FOLDER = Path(__file__).resolve().parent.parent / "evaluation"
#: Seconds that one start of it may take unless the user says otherwise, for all embeddings of a
#: dataset together: what is done by then is kept, and one that hangs ends.
TIME_LIMIT = 24 * 3600
#: Seconds that one step of one embedding may take: its neighbours, a metric, a layout. Fourteen
#: metrics of 10,000 cells take 35 s together on two cores; here each has 600, so that one which
#: takes for ever does not keep the others from being made.
STEP_SECONDS = 300
STEP_SECONDS_PER_CELL = 0.03


def step_seconds(n_cells: int, time_limit: float = TIME_LIMIT) -> float:
    """Return the longest that a step may take; a longer limit for all makes it longer as well."""
    return (STEP_SECONDS + STEP_SECONDS_PER_CELL * n_cells) * max(1.0, time_limit / TIME_LIMIT)


class EvaluatorSpec(ModelSpec):
    """``evaluator.yaml`` and the folder of the evaluator. Its parameters are the settings."""

    @classmethod
    def load(cls, folder: Path = FOLDER) -> EvaluatorSpec:
        """Read ``folder/evaluator.yaml``; :class:`SpecError` lists everything that is wrong."""
        return cls(yaml=YamlFile(folder / "evaluator.yaml").parse(ModelYaml), folder=folder)

    @property
    def place(self) -> PurePosixPath:
        return PurePosixPath("evaluation")
