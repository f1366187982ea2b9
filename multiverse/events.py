"""The events of a command: told by whatever does the work, heard by whoever shows or keeps them.

On the ground floor: imports no room but ``facts``. A line of ``multiverse run --json`` is one of
these, field by field. A new event is one class here and the listeners that care for it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from multiverse.facts import AttemptFacts, EpochFacts, JobFacts, PlainPath, RunState, Usage


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Event:
    """Base of all events. Nothing is checked when one is made: telling can't fail."""

    __pydantic_config__ = ConfigDict(
        extra="forbid", json_schema_serialization_defaults_required=True
    )

    time: Annotated[str, Field(description="ISO 8601, UTC")] = field(
        default_factory=_now, kw_only=True
    )


#: Is told every event. Calls may come from several threads.
Tell = Callable[[Event], None]


@dataclass(frozen=True)
class _OfJob(Event):
    run_id: str


@dataclass(frozen=True)
class Planned(Event):
    """Every job of the benchmark, before anything else is said of one."""

    event: Literal["planned"] = field(default="planned", kw_only=True)
    jobs: tuple[JobFacts, ...]


@dataclass(frozen=True)
class Queued(_OfJob):
    """A job has to run, because of ``why``."""

    event: Literal["queued"] = field(default="queued", kw_only=True)
    why: str


@dataclass(frozen=True)
class Reused(_OfJob):
    """Nothing has to be done: it is complete, or known to be not applicable."""

    event: Literal["reused"] = field(default="reused", kw_only=True)
    run: AttemptFacts


@dataclass(frozen=True)
class Held(_OfJob):
    """Another runner works on it; it is waited for."""

    event: Literal["held"] = field(default="held", kw_only=True)
    holder: str


@dataclass(frozen=True)
class AttemptStarted(_OfJob):
    """An attempt begins, or one that a killed runner left is taken over (``adopted``)."""

    event: Literal["started"] = field(default="started", kw_only=True)
    attempt: int
    cpus: float
    memory: Annotated[int, Field(description="its limit, bytes")]
    gpu: str | None = None
    adopted: bool = False


@dataclass(frozen=True)
class Progressed(_OfJob):
    """The usage of a running attempt, and its newest epoch; at most once a second."""

    event: Literal["progress"] = field(default="progress", kw_only=True)
    usage: Usage
    epoch: EpochFacts | None


@dataclass(frozen=True)
class Printed(_OfJob):
    """A line that the model prints; only if the run is verbose."""

    event: Literal["output"] = field(default="output", kw_only=True)
    text: str


@dataclass(frozen=True)
class Retried(_OfJob):
    """An attempt failed, and another will be made, ``how``."""

    event: Literal["retried"] = field(default="retried", kw_only=True)
    how: str
    run: AttemptFacts


@dataclass(frozen=True)
class Finished(_OfJob):
    """The job has ended for good."""

    event: Literal["finished"] = field(default="finished", kw_only=True)
    run: AttemptFacts


@dataclass(frozen=True)
class Noted(Event):
    """A note that concerns all jobs."""

    event: Literal["noted"] = field(default="noted", kw_only=True)
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Warned(Noted):
    """A note that somebody should see: a disk that is short. In ``--json`` a note like others."""


@dataclass(frozen=True)
class Advised(Noted):
    """Advice for people on what else could be asked for; machines are not told."""


@dataclass(frozen=True)
class Summarised(Event):
    """The number of jobs in each state, when all have ended."""

    event: Literal["summary"] = field(default="summary", kw_only=True)
    folder: PlainPath
    runs: int
    counts: dict[RunState, int]
    not_applicable: Annotated[
        tuple[str, ...], Field(description="pairs that were never planned, and why")
    ]


@dataclass(frozen=True)
class MetricScored(Event):
    """A metric of an embedding has been computed; at most one a second."""

    event: Literal["scoring"] = field(default="scoring", kw_only=True)
    what: str
    done: int
    total: int


@dataclass(frozen=True)
class ScoredDataset:
    """The scores of one fingerprint of a dataset are in its scores.json."""

    __pydantic_config__ = Event.__pydantic_config__

    dataset: str
    fingerprint: str
    scored: Annotated[int, Field(description="runs that were scored now")]
    known: Annotated[int, Field(description="runs that had scores already")]
    problem: str


@dataclass(frozen=True)
class Concluded(Event):
    """After the summary: scores, report and the copy for MLflow, as far as they were wanted."""

    event: Literal["concluded"] = field(default="concluded", kw_only=True)
    datasets: tuple[ScoredDataset, ...]
    written: Annotated[tuple[PlainPath, ...], Field(description="the files of the report")]
    mlflow: Annotated[str | None, Field(description="what was copied; null if nothing was to be")]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class BytesVerified(Event):
    """So many bytes of the published files have been read again."""

    event: Literal["verifying"] = field(default="verifying", kw_only=True)
    done: int
    total: int


def silent(_told: object) -> None:
    """Hear everything and show nothing: the default of every ``tell``, and of other listeners."""


def guarded(tell: Tell) -> Tell:
    """Return a listener that lets nothing that goes wrong in ``tell`` touch a job.

    A closed pipe, a terminal that can't show a character, a mistake in a user's own listener:
    what is shown may be lost, what is computed may not. rich ends a thread by SystemExit when
    its pipe is closed.
    """

    def told(event: Event) -> None:
        with suppress(Exception, SystemExit):
            tell(event)

    return told


def everybody(*listeners: Tell) -> Tell:
    """Return a listener that tells several, one after the other."""

    def told(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return told
