"""``started.json``: an attempt as it begins, written before anything of it is started.

With it a later command can end the attempt in the place of one that was killed: judge what it
wrote, record it, keep it. It lies beside the output, out of the reach of what writes there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from multiverse.contract.evaluation import EvaluationRequest
from multiverse.errors import ResultsError
from multiverse.runs.record import RunRecord
from multiverse.runs.scores import EvaluationRecord, Evaluator


class _Beginning(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises :class:`ResultsError` if it is absent or damaged."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ResultsError(f"{path} is not the beginning of an attempt: {error}") from error


class Started(_Beginning):
    """``record`` is that of the attempt, in the state ``running``; ``job_spec`` the exact text.

    ``gpu`` is the engine's id of the GPU that it was given.
    """

    record: RunRecord
    data: Path
    job_spec: str
    gpu: str | None = None


class StartedEvaluation(_Beginning):
    """One start of the evaluator: what it was asked, and of which files.

    ``checksums``: run id → the embedding that it was given. ``again``: whether everything was to
    be computed anew, whatever scores there were.
    """

    request: EvaluationRequest
    record: EvaluationRecord
    dataset_fingerprint: str
    labels_fingerprint: str | None
    evaluator: Evaluator
    checksums: dict[str, str]
    again: bool = False

    def is_like(self, other: StartedEvaluation) -> bool:
        """Return whether both would give an embedding the same scores.

        That is: the same evaluator, to the image, with the same settings, of the same data with
        the same held-out labels. Which embeddings they were asked for may differ.
        """
        return self._question() == other._question()

    def _question(self) -> tuple[object, ...]:
        members = {"runs", "models", "controls", "seeds", "umaps", "only", "skip"}
        runtime = self.record.image.digest if self.record.image else self.record.environment_lock
        return (
            self.request.model_dump(exclude=members),
            self.dataset_fingerprint,
            self.labels_fingerprint,
            self.evaluator,
            runtime,
        )
