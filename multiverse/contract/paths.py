"""The places of files inside a container, and the names of those that cross its boundary."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONTRACT_VERSION = "1"

#: Exit status of a model that has nothing to say about the data (a reason is in ``run.log``).
EXIT_NOT_APPLICABLE = 99

INPUT_VARIABLE = "MULTIVERSE_INPUT"
OUTPUT_VARIABLE = "MULTIVERSE_OUTPUT"
#: The memory that the engine gave to the job, in bytes: a model that needs more can say so early.
MEMORY_VARIABLE = "MULTIVERSE_MEMORY"

#: What models are given, and what only the evaluator is: the answer sheet.
DATA_FILE, LABELS_FILE = "data.h5mu", "labels.h5ad"
#: What is known of a dataset, beside its files on the host; no container sees it.
RECORD_FILE = "dataset.json"


@dataclass(frozen=True)
class OutputFiles:
    """Names the files of one output folder. The same class serves both sides of the boundary."""

    folder: Path

    @property
    def job_spec(self) -> Path:
        return self.folder / "job_spec.json"

    @property
    def embeddings(self) -> Path:
        return self.folder / "embeddings.h5"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def epochs(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def umap(self) -> Path:
        return self.folder / "umap.png"

    @property
    def log(self) -> Path:
        return self.folder / "run.log"

    @property
    def reason(self) -> Path:
        """Return the file that goes with exit 99: why the model is not applicable, in one line."""
        return self.folder / "not_applicable.txt"


#: The names alone: ``NAMES.embeddings.name``.
NAMES = OutputFiles(Path())


@dataclass(frozen=True)
class ContainerPaths:
    """The two places a model may know: its input file and its output folder."""

    data: Path
    output: OutputFiles

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> ContainerPaths:
        """Return ``/input/data.h5mu`` and ``/output``, unless the environment names others.

        The embedded engine has no mounts, so it names the two places by ``MULTIVERSE_INPUT``
        and ``MULTIVERSE_OUTPUT``.
        """
        variables = os.environ if environment is None else environment
        return cls(
            data=Path(variables.get(INPUT_VARIABLE, f"/input/{DATA_FILE}")),
            output=OutputFiles(Path(variables.get(OUTPUT_VARIABLE, "/output"))),
        )
