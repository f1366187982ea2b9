"""The boundary of the evaluator: what it is asked, and the lines that it answers.

It is started as a model is, with more under ``/input``: ``labels.h5ad`` (the answer sheet) and
``embeddings/<run-id>.h5``. In ``/output`` it finds ``request.json`` and writes ``scores.jsonl`` (a
line for each thing that is finished, so that nothing is lost when it ends early), ``umap.h5`` and
``run.log``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError, model_validator

from multiverse.contract.paths import DATA_FILE, LABELS_FILE, OutputFiles
from multiverse.contract.scores import Frozen, MetricFacts, Reason

REQUEST_MAX_BYTES = 64 * 1024 * 1024


class _Strict(Frozen):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EvaluationSettings(_Strict):
    """Settings of scoring; part of every score. Values equal the library's where it has them.

    ``neighbours``: of LISI, kBET, and Leiden with graph connectivity (scib-metrics' Benchmarker).
    ``max_cells``: past it the quadratic metrics see a stratified subsample of as many cells, and
    neighbours are approximate. ``replicates``: random halves of the cells, from which intervals
    are computed.
    """

    lisi_neighbours: int = Field(default=90, ge=3)
    kbet_neighbours: int = Field(default=50, ge=3)
    graph_neighbours: int = Field(default=15, ge=2)
    structure_neighbours: int = Field(default=15, ge=1)
    max_cells: int = Field(default=50_000, ge=100)
    replicates: int = Field(default=20, ge=0)
    seed: int = Field(default=0, ge=0)


class EvaluationRequest(_Strict):
    """The request of an evaluation: its data, members and settings.

    ``runs``: run ids whose embeddings are to be scored, ``controls``: names of controls (all that
    there are: None). ``seeds``: run id → the runs that differ from it in their seed only, whose
    embeddings are there as well. ``umaps``: run ids to be laid out. ``only``: member → the metrics
    that it still lacks; all, where it is not named. ``skip``: pairs of member and metric that ended
    an earlier attempt, with what happened. ``step_seconds``: the longest that one step of a member
    may take (its neighbours, each of its metrics, its layout); without a limit: None.
    """

    dataset: str
    modalities: tuple[str, ...]
    label_key: str | None = None
    unlabelled: tuple[str, ...] = ()
    batch_key: str | None = None
    runs: tuple[str, ...] = ()
    models: dict[str, str] = Field(default_factory=dict, description="run id → model, for the log")
    controls: tuple[str, ...] | None = None
    seeds: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    umaps: tuple[str, ...] = ()
    only: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    skip: tuple[tuple[str, str, str], ...] = ()
    settings: EvaluationSettings = EvaluationSettings()
    step_seconds: float | None = Field(default=None, gt=0)

    @classmethod
    def read(cls, path: Path) -> EvaluationRequest:
        """Read and validate; ValueError says what is wrong."""
        with path.open("rb") as stream:
            return cls.model_validate_json(stream.read(REQUEST_MAX_BYTES))


class SheetLine(Frozen):
    """First line: what is known of the cells, and what will be computed."""

    kind: Literal["sheet"] = "sheet"
    n_obs: int
    modalities: dict[str, int]
    labels: dict[str, int] = Field(default_factory=dict)
    n_unlabelled: int = 0
    batches: dict[str, int] = Field(default_factory=dict)
    metrics: tuple[MetricFacts, ...]
    controls: tuple[str, ...]
    versions: dict[str, str]
    notes: tuple[str, ...] = ()
    n_steps: int


class BeginLine(Frozen):
    """A step has begun; if nothing follows, it is what ended the evaluator."""

    kind: Literal["begin"] = "begin"
    member: str
    metric: str


class ScoreLine(Frozen):
    """A metric of a member: a value, and its value in random halves of the cells, or a reason.

    ``replicates``: one a half, the same halves for every metric and member; None where a half has
    none. ``variants``: the same metric computed otherwise, as other software does.
    """

    kind: Literal["score"] = "score"
    member: str
    metric: str
    value: FiniteFloat | None
    reason: Reason | None = None
    detail: str = ""
    parts: dict[str, FiniteFloat] = Field(default_factory=dict)
    variants: dict[str, FiniteFloat] = Field(default_factory=dict)
    replicates: tuple[FiniteFloat | None, ...] = ()
    n_cells: int | None = None
    approximate: tuple[str, ...] = ()
    seconds: float = 0.0

    @model_validator(mode="after")
    def _value_or_reason(self) -> ScoreLine:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a score has either a value or a reason")
        return self


class MemberLine(Frozen):
    """A member is done: all its metrics have been written."""

    kind: Literal["member"] = "member"
    member: str
    neighbours_seconds: float


class UmapLine(Frozen):
    """The layout of a run is in ``umap.h5``."""

    kind: Literal["umap"] = "umap"
    member: str
    seconds: float


Line = Annotated[
    SheetLine | BeginLine | ScoreLine | MemberLine | UmapLine, Field(discriminator="kind")
]
_LINES: TypeAdapter[Any] = TypeAdapter(Line)


def parse_line(text: bytes | str) -> SheetLine | BeginLine | ScoreLine | MemberLine | UmapLine:
    """Parse one line of ``scores.jsonl``; ValueError if it is none."""
    try:
        line: SheetLine | BeginLine | ScoreLine | MemberLine | UmapLine = _LINES.validate_json(text)
    except ValidationError as error:
        raise ValueError(f"no line of scores: {str(error).splitlines()[0]}") from error
    return line


@dataclass(frozen=True)
class EvaluationFiles:
    """Names the files of one evaluation, on both sides of the boundary."""

    input: Path
    output: Path

    @property
    def data(self) -> Path:
        return self.input / DATA_FILE

    @property
    def labels(self) -> Path:
        return self.input / LABELS_FILE

    def embeddings(self, run_id: str) -> Path:
        return self.input / "embeddings" / f"{run_id}.h5"

    @property
    def request(self) -> Path:
        return self.output / "request.json"

    @property
    def scores(self) -> Path:
        return self.output / "scores.jsonl"

    @property
    def umaps(self) -> Path:
        return self.output / "umap.h5"

    @property
    def log(self) -> Path:
        return OutputFiles(self.output).log
