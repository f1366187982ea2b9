"""The evaluator as engines see it: built, found and run as a model is."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from multiverse.specs.model import ModelSpec, ModelYaml
from multiverse.specs.yaml_file import YamlFile

FOLDER = Path(__file__).resolve().parent.parent / "evaluation"
#: Seconds that one start of it may take unless the user says otherwise, for all embeddings of a
#: dataset together: what is done by then is kept, and one that hangs ends.
TIME_LIMIT = 24 * 3600


class EvaluatorSpec(ModelSpec):
    """``evaluator.yaml`` and the folder of the evaluator. Its parameters are the settings."""

    @classmethod
    def load(cls, folder: Path = FOLDER) -> EvaluatorSpec:
        """Read ``folder/evaluator.yaml``; :class:`SpecError` lists everything that is wrong."""
        return cls(yaml=YamlFile(folder / "evaluator.yaml").parse(ModelYaml), folder=folder)

    @property
    def place(self) -> PurePosixPath:
        return PurePosixPath("evaluation")
