"""``job_spec.json``: everything a model is told about its job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from multiverse.contract.files import read_regular
from multiverse.contract.paths import CONTRACT_VERSION
from multiverse.errors import UsageError

Device = Annotated[str, StringConstraints(pattern=r"^(cpu|cuda(:[0-9]{1,2})?)$")]
JOB_SPEC_MAX_BYTES = 4 * 1024 * 1024


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ImageReference(_Frozen):
    """The image that runs the job: its tag, and the digest that the tag stood for."""

    tag: str
    digest: str


class RunSettings(_Frozen):
    """Names for people; they never change a result."""

    experiment_name: str = "multiverse"
    tags: dict[str, str] = Field(default_factory=dict)


class JobSpec(_Frozen):
    """One job as a model sees it.

    ``image`` is null where no image is used (the embedded engine). ``hyperparameters`` holds
    all parameters of the model, defaults filled in. Unknown fields are refused, so that a
    misspelt one can't be ignored.
    """

    contract_version: str = CONTRACT_VERSION
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)]
    dataset_id: str = Field(description="Fingerprint of the registered dataset")
    dataset_name: str
    model_name: str
    model_version: str
    image: ImageReference | None
    hyperparameters: dict[str, JsonValue]
    preprocessing: dict[str, JsonValue] = Field(default_factory=dict)
    modalities: tuple[str, ...] = Field(min_length=1)
    batch_key: str | None = None
    device: Device = "cpu"
    run_settings: RunSettings = Field(default_factory=RunSettings)

    @classmethod
    def read(cls, path: Path) -> JobSpec:
        """Read and validate a file; :class:`UsageError` names everything that is wrong in it."""
        try:
            text = read_regular(path, max_bytes=JOB_SPEC_MAX_BYTES)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or error}") from error
        try:
            job = cls.model_validate_json(text)
        except ValidationError as error:
            found = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}"
                for item in error.errors()
            )
            raise UsageError(f"{path} is not a job specification: {found}") from error
        if job.contract_version != CONTRACT_VERSION:
            raise UsageError(
                f"{path} follows contract version {job.contract_version}, this worker "
                f"follows {CONTRACT_VERSION}",
                remedy="Use an image and a runner of the same major version of multiverse.",
            )
        return job

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the published JSON Schema (``docs/schemas/job_spec.schema.json``)."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **cls.model_json_schema(),
        }
