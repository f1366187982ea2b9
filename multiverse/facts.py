"""The facts of a job and of its attempts, as events, records and ``multiverse status`` have them.

On the ground floor: imports the contract's numbers only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from multiverse.contract.numbers import Count, Seconds, Whole

#: A path that is text in JSON.
PlainPath = Annotated[Path, WithJsonSchema({"type": "string"})]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class RunState(StrEnum):
    """The state of an attempt: how it ended, or that it has not."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    CANCELLED = "cancelled"


class Cause(StrEnum):
    """The cause of an attempt's failure; read from where it is known, never guessed."""

    OUT_OF_MEMORY = "out_of_memory"
    TIME_LIMIT = "time_limit"
    MODEL_ERROR = "model_error"
    BAD_OUTPUT = "bad_output"
    NOT_CHECKED = "not_checked"
    ENGINE_LOST = "engine_lost"
    ENGINE_ERROR = "engine_error"
    DISK_LIMIT = "disk_limit"
    DEVICE_UNUSED = "device_unused"
    INTERRUPTED = "interrupted"
    DATASET_LOST = "dataset_lost"
    KILLED = "killed"
    CANCELLED = "cancelled"
    NOT_APPLICABLE = "not_applicable"


#: Causes of jobs that were stopped by their runner; the ``detail`` of such an ending says why.
STOPPED = frozenset({Cause.CANCELLED, Cause.TIME_LIMIT, Cause.DISK_LIMIT})


class EngineFacts(_Frozen):
    """The engine that ran it, and its isolation of the model from the machine."""

    name: str
    version: str
    isolation: str


class Usage(_Frozen):
    """The resources that an attempt used, as the engine measured them.

    ``peak_memory_bytes`` is the highest memory of its own that was sampled (anonymous pages,
    the same on every engine); ``high_water_bytes`` the kernel's own mark, which is exact but
    also counts pages of files: of the container's control group, or of the largest process.
    None where the engine can't tell.
    """

    wall_seconds: Seconds = 0.0
    cpu_seconds: Seconds | None = None
    peak_memory_bytes: Count | None = None
    high_water_bytes: Count | None = None


class GpuUsage(_Frozen):
    """The GPU that a model computed on: as the model's own library names and measures it."""

    name: str
    peak_memory_bytes: Count


#: Dataclasses, since telling an event must never fail; pydantic reads them in files and derives
#: their JSON Schema. A file may have more fields than this version knows, a line of ``--json``
#: has exactly these.
_PLAIN = ConfigDict(
    extra="ignore",
    json_schema_extra={"additionalProperties": False},
    json_schema_serialization_defaults_required=True,
)


@dataclass(frozen=True)
class JobFacts:
    """A job of the plan."""

    __pydantic_config__ = _PLAIN

    run_id: str
    name: str
    dataset: str
    model: str
    seed: Whole
    expected_seconds: Annotated[
        Seconds | None, Field(description="from past runs; null where there are none")
    ] = None


@dataclass(frozen=True)
class EpochFacts:
    """The newest line of metrics.jsonl.

    ``limit``: ``total`` is the most that there can be. ``pace``: seconds that an epoch takes, None
    until two have been seen.
    """

    __pydantic_config__ = _PLAIN

    number: Whole
    total: Count | None
    values: dict[str, float]
    limit: bool = False
    pace: Seconds | None = None


@dataclass(frozen=True)
class AttemptFacts:
    """An attempt that has ended; its folder has the whole record."""

    __pydantic_config__ = _PLAIN

    attempt: Count
    state: RunState
    cause: Cause | None
    message: str
    findings: tuple[str, ...]
    warnings: tuple[str, ...]
    exit_code: Whole | None
    usage: Usage
    gpu: GpuUsage | None
    n_obs: Count
    n_dims: Count | None
    started_at: str
    finished_at: str
    folder: PlainPath
