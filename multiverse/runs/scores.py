"""``<dataset>/scores.json``: what the evaluator found, a value or a reason for each metric."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from multiverse.contract.files import read_regular
from multiverse.contract.job_spec import ImageReference
from multiverse.contract.numbers import Amount, Count, Finite, Seconds
from multiverse.contract.scores import Frozen, Group, Interval, MetricFacts, Score
from multiverse.errors import ResultsError
from multiverse.facts import EngineFacts, Usage
from multiverse.runs.record import RunRecord

SCORES_MAX_BYTES = 256 * 1024 * 1024
Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
AGAIN = "Score the runs again: multiverse evaluate RESULTS --again"


class MemberKind(StrEnum):
    """The kind of a scored embedding: a run's, or a control that shows what a number is worth."""

    RUN = "run"
    CONTROL = "control"


class Weights(Frozen):
    """The weights of the total: of both groups, and of ``metrics`` in their group (1 if unnamed).

    The default is that of Luecken et al. 2022 (doi 10.1038/s41592-021-01336-8). A metric of weight
    0 is in no mean.
    """

    bio: Weight = 0.6
    batch: Weight = 0.4
    metrics: dict[str, Weight] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _some(self) -> Weights:
        if self.bio + self.batch <= 0:
            raise ValueError("one of bio and batch must have a weight above 0")
        return self

    def of(self, metric: str) -> float:
        """Return the weight of a metric in the mean of its group."""
        return self.metrics.get(metric, 1.0)


class Aggregate(Frozen):
    """A mean over the metrics of a group that are available: ``available`` of ``of``.

    ``missing``: names of the others. ``value`` is None where nothing is available; for the total,
    where one of its two groups is not (``reason`` says which). ``scaled``: the mean over values
    scaled by two controls (0 and 1); ``scaled_available`` of its metrics have one, and
    ``scaled_clipped`` says whether one of them was cut.
    """

    value: Finite | None
    available: Count
    of: Count
    missing: tuple[str, ...] = ()
    reason: str = ""
    interval: Interval | None = None
    scaled: Finite | None = None
    scaled_available: Count = 0
    scaled_clipped: bool = False

    @property
    def coverage(self) -> str:
        """``9/10``."""
        return f"{self.available}/{self.of}"


class Member(Frozen):
    """The scores of one embedding. ``name``: the model's, or the control's (``pca_rna``).

    ``checksum``: of the embedding that was scored. ``siblings``: the runs of the same
    configuration with other seeds that its seed stability was asked for.
    """

    kind: MemberKind
    name: str
    scores: dict[str, Score] = Field(description="metric → score")
    bio: Aggregate
    batch: Aggregate
    total: Aggregate
    checksum: str = ""
    siblings: tuple[str, ...] = ()
    neighbours_seconds: Seconds = 0.0
    evaluated_at: str = ""
    image: ImageReference | None = Field(default=None, description="the evaluator that did this")
    environment_lock: str | None = None

    def is_of(self, record: RunRecord) -> bool:
        """Return whether the embedding that was scored is the one that the run has now."""
        return self.checksum in ("", record.embedding_checksum)

    @property
    def seconds(self) -> float:
        """The seconds that scoring took: all metrics, and the neighbours that they share."""
        return self.neighbours_seconds + sum(score.seconds for score in self.scores.values())


class Sheet(Frozen):
    """The labels and batches that were known of the cells."""

    label_key: str | None = None
    labels: dict[str, Count] = Field(default_factory=dict, description="label → cells")
    unlabelled: tuple[str, ...] = Field(default=(), description="labels that mean 'unknown'")
    n_unlabelled: Count = Field(default=0, description="cells left out of label metrics")
    batch_key: str | None = None
    batches: dict[str, Count] = Field(default_factory=dict, description="batch → cells")


class Evaluator(Frozen):
    """The evaluator that computed the scores: part of every score."""

    version: str
    scib_metrics: str
    settings: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict, description="package → version")


class EvaluationRecord(Frozen):
    """One run of the evaluator, as a run of a model is recorded."""

    started_at: str
    finished_at: str = ""
    members: tuple[str, ...] = Field(description="run ids and controls that it scored")
    engine: EngineFacts
    image: ImageReference | None = None
    environment_lock: str | None = None
    limits: dict[str, Amount | None] = Field(default_factory=dict)
    usage: Usage = Usage()
    host: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    message: str = Field(default="", description="what went wrong, if anything did")

    @classmethod
    def read(cls, path: Path) -> EvaluationRecord:
        """Read the record that one start of the evaluator left. Raises OSError, ValueError."""
        return cls.model_validate_json(read_regular(path, max_bytes=SCORES_MAX_BYTES))


class Evaluation(Frozen):
    """The scores of one fingerprint of a dataset, with one set of labels and one evaluator."""

    dataset_fingerprint: str
    labels_fingerprint: str | None = None
    n_obs: Count
    modalities: dict[str, Count] = Field(description="modality → features")
    sheet: Sheet
    evaluator: Evaluator
    metrics: tuple[MetricFacts, ...]
    weights: Weights = Weights()
    members: dict[str, Member] = Field(description="run id → scores")
    controls: dict[str, Member] = Field(default_factory=dict)
    expected_controls: tuple[str, ...] = Field(default=(), description="those that the data allow")
    records: tuple[EvaluationRecord, ...] = ()
    notes: tuple[str, ...] = Field(default=(), description="what a reader should know")

    def member_of(self, record: RunRecord) -> Member | None:
        """Return the scores of a run; None if it was not scored, or was made again since."""
        member = self.members.get(record.run_id)
        return member if member is not None and member.is_of(record) else None

    def of_runs(self, records: Iterable[RunRecord]) -> Evaluation:
        """Return the evaluation with the scores of these runs only, of their present embeddings."""
        found = {record.run_id: record for record in records}
        members = {
            run_id: member
            for run_id, member in self.members.items()
            if run_id in found and member.is_of(found[run_id])
        }
        return self.model_copy(update={"members": members})

    def of_group(self, group: Group) -> list[MetricFacts]:
        return [metric for metric in self.metrics if metric.group is group]


class ScoresFile(Frozen):
    """The file: one evaluation a fingerprint, because runs of different data don't compare."""

    format: str = "1"
    dataset: str
    evaluations: tuple[Evaluation, ...] = ()

    def find(self, record: RunRecord) -> Member | None:
        """Return the scores of one run, if it was scored as it is."""
        found = (evaluation.member_of(record) for evaluation in self.evaluations)
        return next((member for member in found if member is not None), None)

    def of(self, fingerprint: str) -> Evaluation | None:
        """Return the evaluation of one fingerprint of the dataset."""
        found = (item for item in self.evaluations if item.dataset_fingerprint == fingerprint)
        return next(found, None)

    def including(self, evaluation: Evaluation) -> ScoresFile:
        """Return the file with this evaluation instead of the earlier one of its fingerprint."""
        items = {item.dataset_fingerprint: item for item in self.evaluations}
        items[evaluation.dataset_fingerprint] = evaluation
        return self.model_copy(update={"evaluations": tuple(items.values())})

    def to_json(self) -> str:
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> ScoresFile:
        """Read the file; :class:`ResultsError` if it is absent or damaged."""
        try:
            return cls.model_validate_json(read_regular(path, max_bytes=SCORES_MAX_BYTES))
        except (OSError, ValidationError) as error:
            raise ResultsError(
                f"{path} can't be read as scores: {str(error).splitlines()[0]}",
                remedy=AGAIN,
            ) from error

    @classmethod
    def read_in_place(cls, path: Path) -> ScoresFile:
        """Read the file of a dataset's folder: :meth:`read`, and it must be of that dataset."""
        file = cls.read(path)
        if file.dataset != path.parent.name:
            raise ResultsError(
                f"{path} can't be read as scores: they are of another dataset", remedy=AGAIN
            )
        return file


__all__ = [
    "Aggregate",
    "Evaluation",
    "EvaluationRecord",
    "Evaluator",
    "Interval",
    "Member",
    "MemberKind",
    "ScoresFile",
    "Sheet",
    "Weights",
]
