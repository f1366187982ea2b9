"""``model.yaml``: what a model is, needs and accepts."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, field_validator

from multiverse.errors import Problem, SpecError
from multiverse.specs.dataset import MODALITIES
from multiverse.specs.image_names import PACKAGE, owner_of
from multiverse.specs.names import EVALUATOR, Slug
from multiverse.specs.quantity import MemoryAmount
from multiverse.specs.settings_schema import checked
from multiverse.specs.yaml_file import YamlFile

#: A tag of an image has 128 characters, of which an accelerator's name is some.
Version = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+([.-][A-Za-z0-9.]+)?$", max_length=100),
]
#: A repository name as a registry accepts it, perhaps with the registry's host, without a tag.
ImageName = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]+([.-][a-z0-9]+)*(:[0-9]{1,5})?/)?"
        r"[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*$",
        max_length=200,
    ),
]
#: Text for people, which also goes into command lines and labels of images.
Line = Annotated[str, StringConstraints(max_length=500)]
Text = Annotated[str, StringConstraints(max_length=20_000)]
ModalityName = Literal["rna", "atac", "adt"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))


class ModalityNeeds(_Frozen):
    """The modalities that a model needs (all of ``required``) and can use besides."""

    required: tuple[ModalityName, ...] = ()
    optional: tuple[ModalityName, ...] = ()

    def usable(self, present: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of a dataset's modalities that the model uses, in the canonical order."""
        wanted = {*self.required, *self.optional}
        return tuple(name for name in MODALITIES if name in present and name in wanted)

    def missing(self, present: tuple[str, ...]) -> tuple[str, ...]:
        """Return what keeps the model from being applicable; empty means it can run."""
        lacking = tuple(name for name in self.required if name not in present)
        if not lacking and not self.usable(present):
            return self.optional
        return lacking


class Resources(_Frozen):
    """The resources of one job of the model, unless the benchmark says otherwise."""

    cpus: float = Field(default=1, gt=0, allow_inf_nan=False)
    memory: MemoryAmount = 4 * 1024**3
    gpu: Literal["none", "optional", "required"] = "none"


class Citation(_Frozen):
    """The paper that a report must cite."""

    authors: Text
    title: Line
    journal: Line
    year: int
    doi: Line


def _no_settings() -> dict[str, JsonValue]:
    return {"type": "object", "properties": {}, "additionalProperties": False}


class ModelYaml(_Frozen):
    """The content of ``model.yaml``.

    ``parameters`` and ``preprocessing`` are JSON Schemas of type object whose properties each
    have a default; an unknown parameter is refused when a benchmark is planned.
    """

    name: Slug
    version: Version
    title: Line
    description: Text = ""
    image: ImageName
    modalities: ModalityNeeds
    uses_labels: bool = False
    batch_term: bool = Field(default=False, description="uses the batch column to correct")
    mosaic: bool = Field(
        default=False,
        description="can use cells that were not measured in every modality; without it, a "
        "dataset with such cells in a modality that the model uses is not applicable",
    )
    parameters: dict[str, JsonValue] = Field(default_factory=_no_settings)
    preprocessing: dict[str, JsonValue] = Field(default_factory=_no_settings)
    resources: Resources = Resources()
    citation: Citation | None = None
    licence: Line = ""
    code: Text = Field(default="", description="where the method's own code comes from")
    reimplemented: Text = Field(default="", description="what was written anew, and why")

    @field_validator("parameters", "preprocessing")
    @classmethod
    def _is_object_schema(cls, schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
        return checked(schema)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the published JSON Schema (``docs/schemas/model.schema.json``)."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **cls.model_json_schema(),
        }


class ModelSpec(_Frozen):
    """A model and the folder it was found in."""

    yaml: ModelYaml
    folder: Path

    @classmethod
    def load(cls, folder: Path) -> ModelSpec:
        """Read ``folder/model.yaml``; :class:`SpecError` lists everything that is wrong."""
        ours = folder.resolve().is_relative_to(PACKAGE)  # which may be made of links
        file = YamlFile(folder / "model.yaml", found=not ours)
        spec = file.parse(ModelYaml)
        model = cls(yaml=spec, folder=folder)
        problems = []
        if spec.name != folder.name:
            message = f"is {spec.name!r}, but its folder is {folder.name!r}: they must be equal"
            problems.append(Problem(message, file.line(["name"]), "name"))
        elif spec.name == EVALUATOR:
            message = f"{EVALUATOR!r} is what the evaluator is called: choose another name"
            problems.append(Problem(message, file.line(["name"]), "name"))
        if not model.may_have_its_image:
            message = (
                f"{spec.image} is an image of multiverse itself, which this model's would replace: "
                "choose another name"
            )
            problems.append(Problem(message, file.line(["image"]), "image"))
        if problems:
            raise SpecError(str(file.path), problems)
        return model

    @property
    def name(self) -> str:
        return self.yaml.name

    @property
    def version(self) -> str:
        return self.yaml.version

    @property
    def image_tag(self) -> str:
        """``multiverse-pca:1.0.0``."""
        return f"{self.yaml.image}:{self.yaml.version}"

    @property
    def built_in(self) -> bool:
        """Whether the model came with multiverse: its folder lies in the package."""
        return self.folder.resolve().is_relative_to(PACKAGE)

    @property
    def may_have_its_image(self) -> bool:
        """Whether the image is the model's own to build: none of ours, unless it is ours too."""
        owner = owner_of(self.yaml.image)
        return owner is None or (owner != "" and self.folder.resolve() == PACKAGE / owner)

    @property
    def place(self) -> PurePosixPath:
        """The model's place in the SDK's package, whatever folder it is in here."""
        return PurePosixPath("models", self.name)

    @property
    def module(self) -> str:
        """The module that ``python -m`` runs."""
        return ".".join(("multiverse", *self.place.parts))

    @property
    def dockerfile(self) -> Path:
        return self.folder / "Dockerfile"

    @property
    def requirements(self) -> Path:
        return self.folder / "requirements.txt"

    def defaults(self, part: Literal["parameters", "preprocessing"]) -> dict[str, Any]:
        """Return every declared setting with its default value."""
        properties = getattr(self.yaml, part).get("properties", {})
        return {name: schema["default"] for name, schema in properties.items()}
