"""``started.json`` of an evaluation: one start of the evaluator, written before it begins."""

from __future__ import annotations

from multiverse.contract.evaluation import EvaluationRequest
from multiverse.runs.scores import EvaluationRecord, Evaluator
from multiverse.runs.started import Beginning


class StartedEvaluation(Beginning):
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
