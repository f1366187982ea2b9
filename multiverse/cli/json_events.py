"""``multiverse run --json``: one JSON object a line, for machines.

The schema of a line is published as ``docs/schemas/events.schema.json``.
"""

from __future__ import annotations

import codecs
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TextIO

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from multiverse.afterwards import Conclusion
from multiverse.engines.log_sink import printable
from multiverse.runner.events import Epoch, Start, Task
from multiverse.runs.record import Cause, GpuUsage, RunState, Usage
from multiverse.runs.results import Results
from multiverse.runs.run import Run

#: Of one job, progress is told at most this often (seconds).
PROGRESS_SECONDS = 1.0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class JobFacts(_Strict):
    """A job of the plan."""

    run_id: str
    name: str
    dataset: str
    model: str
    seed: int
    expected_seconds: float | None = Field(description="from past runs; null where there are none")


class EpochFacts(_Strict):
    """The newest line of metrics.jsonl."""

    number: int
    total: int | None
    values: dict[str, float]


class AttemptFacts(_Strict):
    """An attempt that has ended; its folder has the whole record."""

    attempt: int
    state: RunState
    cause: Cause | None
    message: str
    findings: tuple[str, ...]
    warnings: tuple[str, ...]
    exit_code: int | None
    usage: Usage
    gpu: GpuUsage | None
    n_obs: int
    n_dims: int | None
    started_at: str
    finished_at: str
    folder: str


class _Event(_Strict):
    time: str = Field(description="ISO 8601, UTC")


class _OfJob(_Event):
    run_id: str


class Planned(_Event):
    """Every job of the benchmark, before anything else is said of one."""

    event: Literal["planned"] = "planned"
    jobs: tuple[JobFacts, ...]


class Queued(_OfJob):
    """A job has to run, because of ``why``."""

    event: Literal["queued"] = "queued"
    why: str


class Reused(_OfJob):
    """Nothing has to be done: it is complete, or known to be not applicable."""

    event: Literal["reused"] = "reused"
    run: AttemptFacts


class Held(_OfJob):
    """Another runner works on it; it is waited for."""

    event: Literal["held"] = "held"
    holder: str


class Started(_OfJob):
    """An attempt begins, or one that a killed runner left is taken over (``adopted``)."""

    event: Literal["started"] = "started"
    attempt: int
    cpus: float
    memory: int = Field(description="its limit, bytes")
    gpu: str | None
    adopted: bool


class Progressed(_OfJob):
    """What a running attempt has used, and its newest epoch; at most once a second."""

    event: Literal["progress"] = "progress"
    usage: Usage
    epoch: EpochFacts | None


class Output(_OfJob):
    """What the model prints; only if the run is verbose."""

    event: Literal["output"] = "output"
    text: str


class Retried(_OfJob):
    """An attempt failed, and another will be made, ``how``."""

    event: Literal["retried"] = "retried"
    how: str
    run: AttemptFacts


class Finished(_OfJob):
    """The job has ended for good."""

    event: Literal["finished"] = "finished"
    run: AttemptFacts


class Noted(_Event):
    """What concerns all jobs."""

    event: Literal["noted"] = "noted"
    message: str


class Summary(_Event):
    """When all jobs have ended: how many in which state."""

    event: Literal["summary"] = "summary"
    folder: str
    runs: int
    counts: dict[RunState, int]
    not_applicable: tuple[str, ...] = Field(description="pairs that were never planned, and why")


class Scoring(_Event):
    """A metric of an embedding has been computed; at most one a second."""

    event: Literal["scoring"] = "scoring"
    what: str
    done: int
    total: int


class ScoredDataset(_Strict):
    """The scores of one fingerprint of a dataset are in its scores.json."""

    dataset: str
    fingerprint: str
    scored: int = Field(description="runs that were scored now")
    known: int = Field(description="runs that had scores already")
    problem: str


class Concluded(_Event):
    """After the summary: scores, report and the copy for MLflow, as far as they were wanted."""

    event: Literal["concluded"] = "concluded"
    datasets: tuple[ScoredDataset, ...]
    written: tuple[str, ...] = Field(description="the files of the report")
    mlflow: str | None = Field(description="what was copied; null if nothing was to be")
    problems: tuple[str, ...]


Event = Annotated[
    Planned | Queued | Reused | Held | Started | Progressed | Output | Retried | Finished
    | Noted | Summary | Scoring | Concluded,
    Field(discriminator="event"),
]  # fmt: skip


def events_schema() -> dict[str, Any]:
    """The published JSON Schema of a line."""
    schema: dict[str, Any] = TypeAdapter(Event).json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Event", **schema}


class JsonEvents:
    """A :class:`multiverse.runner.events.Listener` that writes a line for each event."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}

    def planned(self, tasks: Sequence[Task]) -> None:
        self._write(Planned(time=_now(), jobs=tuple(JobFacts(**vars(task)) for task in tasks)))

    def queued(self, task: Task, why: str) -> None:
        self._write(Queued(time=_now(), run_id=task.run_id, why=why))

    def reused(self, task: Task, run: Run) -> None:
        self._write(Reused(time=_now(), run_id=task.run_id, run=_facts(run)))

    def held(self, task: Task, holder: str) -> None:
        self._write(Held(time=_now(), run_id=task.run_id, holder=holder))

    def started(self, task: Task, start: Start) -> None:
        self._write(Started(time=_now(), run_id=task.run_id, **vars(start)))

    def progress(self, task: Task, usage: Usage, epoch: Epoch | None) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._told.get(task.run_id, float("-inf")) < PROGRESS_SECONDS:
                return
            self._told[task.run_id] = now
        newest = None
        if epoch is not None:
            newest = EpochFacts(number=epoch.number, total=epoch.total, values=dict(epoch.values))
        self._write(Progressed(time=_now(), run_id=task.run_id, usage=usage, epoch=newest))

    def output(self, task: Task, chunk: bytes) -> None:
        with self._lock:
            decoder = self._decoders.setdefault(
                task.run_id, codecs.getincrementaldecoder("utf-8")(errors="replace")
            )
            text = decoder.decode(chunk)
        self._write(Output(time=_now(), run_id=task.run_id, text=text))

    def retried(self, task: Task, run: Run, how: str) -> None:
        self._forget(task)
        self._write(Retried(time=_now(), run_id=task.run_id, how=how, run=_facts(run)))

    def finished(self, task: Task, run: Run) -> None:
        self._forget(task)
        self._write(Finished(time=_now(), run_id=task.run_id, run=_facts(run)))

    def noted(self, message: str) -> None:
        self._write(Noted(time=_now(), message=message))

    def summary(self, results: Results) -> None:
        """What came of all jobs."""
        counts = Counter(run.record.state for run in results)
        folder = printable(str(results.folder))
        reasons = tuple(results.not_applicable)
        self._write(
            Summary(
                time=_now(), folder=folder, runs=len(results), counts=counts, not_applicable=reasons
            )
        )

    def scoring(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told.get("", float("-inf")) >= PROGRESS_SECONDS:
            self._told[""] = now
            self._write(Scoring(time=_now(), what=what, done=done, total=total))

    def concluded(self, conclusion: Conclusion) -> None:
        """The last line: what followed the jobs."""
        report, tracked = conclusion.report, conclusion.tracked
        self._write(
            Concluded(
                time=_now(),
                datasets=tuple(ScoredDataset(**vars(item)) for item in conclusion.outcomes),
                written=tuple(printable(str(path)) for path in report.written) if report else (),
                mlflow=tracked.summary if tracked else None,
                problems=conclusion.problems,
            )
        )

    def _forget(self, task: Task) -> None:
        with self._lock:
            self._told.pop(task.run_id, None)
            self._decoders.pop(task.run_id, None)

    def _write(self, event: _Event) -> None:
        """Whole lines only, in ASCII: nothing in it is obeyed by a terminal."""
        line = json.dumps(event.model_dump(mode="json"), allow_nan=False)
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _facts(run: Run) -> AttemptFacts:
    record = run.record
    known = {name: getattr(record, name) for name in AttemptFacts.model_fields if name != "folder"}
    return AttemptFacts(**known, folder=printable(str(run.folder)))
