"""A score: a number, or the reason why there is none. Shared by both sides.

``scores.json`` of a results folder (:mod:`multiverse.runs.scores`) is made of these, and so is
every line that the evaluator writes.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator

from multiverse.contract.numbers import Count, Finite, Seconds


class Frozen(BaseModel):
    """Unknown fields are passed over: a newer evaluator may say more."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class Group(StrEnum):
    """The group of a metric. Bio and batch enter the total; structure stands beside it."""

    BIO = "bio"
    BATCH = "batch"
    STRUCTURE = "structure"


class Reason(StrEnum):
    """Why there is no value."""

    NO_LABELS = "no_labels"
    ONE_CLASS = "one_class"
    NO_BATCH = "no_batch"
    ONE_BATCH = "one_batch"
    TOO_FEW_CELLS = "too_few_cells"
    CONFOUNDED = "confounded"
    CONSTANT_EMBEDDING = "constant_embedding"
    ONE_SEED = "one_seed"
    NOT_APPLICABLE = "not_applicable"
    METRIC_FAILED = "metric_failed"
    #: The run's files are not those that were published.
    DAMAGED = "damaged"
    #: The evaluator itself ended: tried again by the next evaluation, unlike all others.
    EVALUATOR_FAILED = "evaluator_failed"


class Interval(Frozen):
    """A 95 % interval. ``sd``: the standard error behind it."""

    low: Finite
    high: Finite
    sd: Finite = Field(ge=0)


class Score(Frozen):
    """One metric of one embedding.

    ``value`` is None exactly where there is a ``reason``; ``detail`` says more, in a sentence.
    ``parts``: the values behind a mean, such as one a modality. ``variants``: the same metric
    computed otherwise, as other software does. ``replicates``: its value in random halves of the
    cells, the same halves for every score of an evaluation; None where a half has none.
    ``scaled``: between two controls (0 and 1), ``clipped`` where it lay outside. ``n_cells``: how
    many cells
    it is computed from. ``approximate``: what makes it so (``subsample``, ``neighbours``), if
    anything does.
    """

    value: Finite | None
    reason: Reason | None = None
    detail: str = ""
    parts: dict[str, Finite] = Field(default_factory=dict)
    variants: dict[str, Finite] = Field(default_factory=dict)
    replicates: tuple[Finite | None, ...] = ()
    interval: Interval | None = None
    scaled: Finite | None = None
    clipped: bool = False
    n_cells: Count | None = None
    approximate: tuple[str, ...] = ()
    seconds: Seconds = 0.0

    @model_validator(mode="after")
    def _value_or_reason(self) -> Score:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a score has either a value or a reason")
        return self


class MetricFacts(Frozen):
    """Facts about a metric, for whoever shows its values."""

    name: str
    title: str
    group: Group
    description: str
    source: str = Field(default="", description="paper or package that defines it")
    needs: tuple[str, ...] = Field(default=(), description="what the data must have")
    higher_is_better: bool = True
    bounds: tuple[Finite, Finite] = (0.0, 1.0)
