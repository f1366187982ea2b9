"""``run.json``: the record of one attempt, complete or not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from multiverse.contract.files import read_regular
from multiverse.contract.job_spec import ImageReference
from multiverse.contract.numbers import Amount, Count, Whole
from multiverse.contract.paths import NAMES
from multiverse.errors import ResultsError
from multiverse.facts import AttemptFacts, Cause, EngineFacts, GpuUsage, RunState, Usage
from multiverse.runs.folder import ResultsFolder, check_name, check_run_id
from multiverse.specs.names import Slug, job_name

RECORD_MAX_BYTES = 16 * 1024 * 1024
#: What to do about a folder whose record is not that of what lies there.
AWAY = "Move that folder away; the next run makes it anew."


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class RunRecord(_Frozen):
    """Everything a stranger needs to repeat the run and to trust its files.

    What names folders and files in it can name nothing else: whether they are those that it lies
    in, :meth:`lies_in` tells.
    """

    run_id: Annotated[str, AfterValidator(check_run_id)]
    attempt: Annotated[Count, Field(ge=1)]
    state: RunState
    cause: Cause | None = None
    message: str = ""
    findings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = Field(
        default=(), description="what the model warns its user of, such as a collapsed fit"
    )
    libraries: dict[str, str] = Field(
        default_factory=dict,
        description="library → version that made the embedding, as the model says",
    )
    exit_code: Whole | None = None
    dataset: Slug
    dataset_fingerprint: str
    n_obs: Count
    model: Slug
    model_version: str
    built_in: bool | None = Field(
        default=None,
        description="whether the model came with multiverse, whatever it is called; null where an "
        "earlier version did not say",
    )
    seed: Whole
    device: str
    parameters: dict[str, Any]
    changed: dict[str, Any] = Field(
        default_factory=dict, description="the parameters that differ from the model's defaults"
    )
    preprocessing: dict[str, Any]
    modalities: tuple[str, ...]
    identity: dict[str, Any]
    image: ImageReference | None
    environment_lock: str | None
    engine: EngineFacts
    limits: dict[str, Amount | None]
    threads: Count
    usage: Usage = Usage()
    gpu: GpuUsage | None = Field(default=None, description="which GPU computed, if one did")
    n_dims: Count | None = None
    started_at: str
    finished_at: str = ""
    experiment: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    host: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    checksums: dict[Annotated[str, AfterValidator(check_name)], str] = Field(
        default_factory=dict, description="SHA-256 of each file"
    )
    ignored_files: tuple[str, ...] = Field(
        default=(), description="what the model wrote beside the contract's files"
    )

    @property
    def name(self) -> str:
        """The name of the job, as in the plan."""
        return job_name(self.dataset, self.model, self.changed, self.seed)

    @property
    def embedding_checksum(self) -> str:
        """The checksum of the embedding as it was published; empty where there is none."""
        return self.checksums.get(NAMES.embeddings.name, "")

    @property
    def configuration(self) -> str:
        """Equal for runs that differ in their seed only: 12 hexadecimal digits."""
        identity = {name: value for name, value in self.identity.items() if name != "seed"}
        text = json.dumps(identity, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def lies_in(self, folder: Path) -> bool:
        """Return whether a folder is that of this run, or of this attempt at it."""
        place = folder.parts[-3:]
        return place in (
            (self.dataset, self.model, self.run_id),
            (ResultsFolder(Path()).attempts.name, self.run_id, str(self.attempt)),
        )

    def facts(self, folder: Path) -> AttemptFacts:
        """Return what an event says of this attempt, which lies in ``folder``."""
        return AttemptFacts(
            attempt=self.attempt,
            state=self.state,
            cause=self.cause,
            message=self.message,
            findings=self.findings,
            warnings=self.warnings,
            exit_code=self.exit_code,
            usage=self.usage,
            gpu=self.gpu,
            n_obs=self.n_obs,
            n_dims=self.n_dims,
            started_at=self.started_at,
            finished_at=self.finished_at,
            folder=folder,
        )

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Read ``run.json``; :class:`ResultsError` if it is damaged."""
        try:
            content = read_regular(path, max_bytes=RECORD_MAX_BYTES)
            return cls.model_validate_json(content)
        except ValidationError as error:
            message = f"{path} is not a run's record: {invalid(error)}"
            raise ResultsError(message, remedy=AWAY) from error
        except OSError as error:
            raise ResultsError(f"{path} is not a run's record: {error}", remedy=AWAY) from error


def invalid(error: ValidationError) -> str:
    """Return the first thing that is wrong with a record, and where."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, problem["loc"]))
    return f"{where}: {problem['msg']}" if where else problem["msg"]
