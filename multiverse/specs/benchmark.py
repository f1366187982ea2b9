"""``benchmark.yaml``: which models on which datasets, with which parameters and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
    model_validator,
)

from multiverse.contract.job_spec import Device
from multiverse.errors import Problem, SpecError
from multiverse.specs.dataset import MODALITIES
from multiverse.specs.names import Slug
from multiverse.specs.quantity import Duration, MemoryAmount
from multiverse.specs.yaml_file import YamlFile, validation_problems

Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
Settings = dict[str, JsonValue]
#: Names that end so are files, also those of kinds that are only refused with what to do.
DATA_SUFFIXES = (
    ".h5ad", ".h5mu", ".zarr", ".h5", ".hdf5", ".mtx", ".gz", ".loom", ".h5seurat", ".rds", ".csv",
    ".tsv", ".txt", ".tar", ".zip",
)  # fmt: skip


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _dataset_shorthand(value: Any) -> Any:
    """Expand a dataset's shorthand: ``pbmc`` is registered, ``data/pbmc.h5mu`` a file."""
    if not isinstance(value, str):
        return value
    return {"slug": value} if DatasetEntry.is_slug(value) else {"path": value}


def _model_shorthand(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, dict | int) else value


_Rounded = Literal["rna", "atac", "adt", "all"]

_Seeds = Annotated[
    tuple[Seed, ...],
    BeforeValidator(_one_or_many, json_schema_input_type=Seed | list[Seed]),
    Field(min_length=1),
]


def _one_text_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _known_modality(name: str) -> str:
    if name not in MODALITIES:
        raise ValueError(f"is not a modality that models know: write {' or '.join(MODALITIES)}")
    return name


def _is_mapping(value: Any) -> str:
    return "[each]" if isinstance(value, Mapping) else "[one]"


_Modality = Annotated[str, AfterValidator(_known_modality)]
_KEYS: dict[str, Any] = {"propertyNames": {"enum": [*MODALITIES]}}
#: A file, or one for each modality; the tags are no keys of the user's.
_Files = Annotated[
    Annotated[Path, Tag("[one]")]
    | Annotated[dict[_Modality, Path], Field(min_length=1, json_schema_extra=_KEYS), Tag("[each]")],
    Discriminator(_is_mapping),
]
_Layers = Annotated[
    Annotated[str, Tag("[one]")] | Annotated[dict[str, str], Field(min_length=1), Tag("[each]")],
    Discriminator(_is_mapping),
]
_Texts = Annotated[
    tuple[str, ...], BeforeValidator(_one_text_or_many, json_schema_input_type=str | list[str])
]


class DatasetEntry(_Frozen):
    """A registered dataset by its slug, or a file, or one a modality, registered on the way."""

    slug: Slug | None = None
    path: _Files | None = Field(
        default=None, description="a file, or one file a modality: {rna: a.h5ad, adt: b.h5ad}"
    )
    batch_key: str | None = None
    label_key: str | None = None
    unlabelled: tuple[str, ...] = ()
    modalities: dict[str, str] = Field(default_factory=dict)
    layer: _Layers | None = Field(
        default=None,
        description="the layer with the raw counts, where it is, or one for each modality",
    )
    without: _Texts = Field(default=(), description="modalities to leave out")
    exclude: dict[str, _Texts] = Field(
        default_factory=dict,
        description="patterns of features to leave out, for each modality, such as HTO*",
    )
    round: Annotated[
        tuple[_Rounded, ...],
        BeforeValidator(_one_text_or_many, json_schema_input_type=_Rounded | list[_Rounded]),
        Field(description="modalities whose counts are fractional and to be rounded"),
    ] = ()
    intersect: bool = Field(
        default=False, description="keep only the cells that all modalities have"
    )
    mosaic: bool = Field(
        default=False,
        description="keep the cells that lack a modality too, for models that can take them",
    )
    match_barcodes: bool = Field(
        default=False,
        description="join cells whose names agree but for a suffix, a prefix or their spelling",
    )

    @staticmethod
    def is_slug(text: str) -> bool:
        """Return whether a single word means a registered dataset, not a file."""
        return not (text.lower().endswith(DATA_SUFFIXES) or "/" in text)

    @model_validator(mode="after")
    def _names_something(self) -> DatasetEntry:
        if self.slug is None and self.path is None:
            raise ValueError("needs a slug (of a registered dataset) or a path (of a file)")
        settings = self.model_fields_set - {"slug", "path"}
        if self.path is None and settings:
            raise ValueError(
                f"{', '.join(sorted(settings))}: said when a file is registered, so this entry "
                "needs a path"
            )
        if self.intersect and self.mosaic:
            raise ValueError("intersect drops the cells that lack a modality, mosaic keeps them")
        return self


class ResourceLimits(_Frozen):
    """The resources of one job, and the policy when they were too little.

    What is left out comes from ``model.yaml``, then from the defaults of the runner.
    """

    cpus: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    memory: MemoryAmount | None = None
    time_limit: Duration | None = None
    disk: MemoryAmount | None = Field(default=None, description="bytes that it may write")
    retries: Annotated[int, Field(strict=True, ge=0, le=20)] | None = Field(
        default=None,
        description="how often an attempt is repeated that ran out of memory, was killed from "
        "outside, or whose engine was lost (default: 2)",
    )
    memory_growth: Annotated[float, Field(ge=1, le=16, allow_inf_nan=False)] | None = Field(
        default=None,
        description="out of memory: the next attempt has this many times as much (default: 2); "
        "1 means no further attempt",
    )
    max_memory: MemoryAmount | None = Field(
        default=None, description="no attempt has more (default: what the machine has)"
    )


class ModelEntry(_Frozen):
    """A model with one or several sets of parameters."""

    model: Slug
    parameters: Annotated[
        tuple[Settings, ...],
        BeforeValidator(_one_or_many, json_schema_input_type=Settings | list[Settings]),
        Field(min_length=1),
    ] = ({},)
    preprocessing: Settings = Field(default_factory=dict)
    seeds: _Seeds | None = None
    device: Device | None = None
    resources: ResourceLimits = ResourceLimits()


_Dataset = Annotated[
    DatasetEntry,
    BeforeValidator(_dataset_shorthand, json_schema_input_type=DatasetEntry | str),
]
_Model = Annotated[
    ModelEntry, BeforeValidator(_model_shorthand, json_schema_input_type=ModelEntry | str)
]


class Benchmark(_Frozen):
    """A whole benchmark: the product of datasets, models, parameter sets and seeds."""

    name: str = Field(default="multiverse", min_length=1, max_length=200)
    datasets: tuple[_Dataset, ...] = Field(min_length=1)
    models: tuple[_Model, ...] = Field(min_length=1)
    seeds: _Seeds = (0,)
    device: Device = "cpu"
    resources: ResourceLimits = ResourceLimits()
    tags: dict[str, str] = Field(default_factory=dict)
    output: Path | None = None

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the published JSON Schema (``docs/schemas/benchmark.schema.json``)."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **cls.model_json_schema(),
        }


def below(base: Path, files: Path | Mapping[str, Path]) -> Path | dict[str, Path]:
    """Return a file, or one for each modality, with relative paths taken from ``base``."""
    if isinstance(files, Path):
        return base / files
    return {modality: base / path for modality, path in files.items()}


class BenchmarkSource:
    """A benchmark and where it was written, so that later findings can name the line too."""

    def __init__(self, benchmark: Benchmark, file: YamlFile | None = None) -> None:
        self.benchmark = benchmark
        self._file = file

    @classmethod
    def load(cls, path: Path) -> BenchmarkSource:
        """Read a file. Paths in it are relative to its folder. :class:`SpecError` lists all."""
        file = YamlFile(path)
        parsed = file.parse(Benchmark)
        base = path.resolve().parent
        datasets = tuple(
            entry
            if entry.path is None
            else entry.model_copy(update={"path": below(base, entry.path)})
            for entry in parsed.datasets
        )
        output = None if parsed.output is None else base / parsed.output
        return cls(parsed.model_copy(update={"datasets": datasets, "output": output}), file)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> BenchmarkSource:
        """Make a benchmark that is not in a file. :class:`SpecError` lists all problems."""
        try:
            return cls(Benchmark.model_validate(content))
        except ValidationError as error:
            raise SpecError("", validation_problems(error, Benchmark)) from error

    def updated(self, fields: Mapping[str, Any], resources: ResourceLimits) -> BenchmarkSource:
        """Return the same benchmark with what the command line says instead of the file."""
        ours = self.benchmark.resources.model_dump(exclude_none=True)
        merged = ResourceLimits.model_construct(
            **{**dict.fromkeys(ResourceLimits.model_fields), **ours}
            | resources.model_dump(exclude_none=True)
        )
        ignored = dict.fromkeys(fields.keys() & {"seeds", "device"})
        models = tuple(
            entry.model_copy(
                update={
                    **ignored,
                    "resources": entry.resources.model_copy(
                        update=dict.fromkeys(resources.model_dump(exclude_none=True))
                    ),
                }
            )
            for entry in self.benchmark.models
        )
        update = {**fields, "resources": merged, "models": models}
        return BenchmarkSource(self.benchmark.model_copy(update=update), self._file)

    @property
    def is_file(self) -> bool:
        """True if it was read from a file, where a user changes it."""
        return self._file is not None

    def problem(self, message: str, *location: str | int) -> Problem:
        """Return a finding about one place of the benchmark."""
        if self._file is None:  # the message names the thing; there is no place to name
            return Problem(message)
        return Problem(message, self._file.line(location), ".".join(map(str, location)))

    def error(self, problems: list[Problem]) -> SpecError:
        """Return all findings as one error."""
        name = "" if self._file is None else str(self._file.path)
        return SpecError(name, problems)
