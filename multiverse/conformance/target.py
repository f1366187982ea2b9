"""The target of a check: a model with its sources, or an image known by name only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir

from multiverse.errors import UsageError
from multiverse.registry.models import find_models
from multiverse.specs.model import ModalityNeeds, ModelSpec, ModelYaml
from multiverse.specs.names import make_slug
from multiverse.specs.yaml_file import YamlFile


class NamedImage(ModelSpec):
    """A model that is an image by its full reference, whatever ``model.yaml`` calls it."""

    reference: str

    @property
    def image_tag(self) -> str:
        return self.reference


def find_target(
    name: str | None,
    *,
    image: str | None = None,
    model_yaml: Path | None = None,
    models_dirs: Sequence[Path] = (),
) -> ModelSpec:
    """Find a model by slug or folder, or an image; :class:`UsageError` where none is meant.

    An image without ``model_yaml`` is taken as a model without settings, for any modality.
    """
    if (name is None) == (image is None):
        raise UsageError(
            "name one model, or an image with --image",
            remedy="multiverse check my_model, or multiverse check --image my/image:1.0.0",
        )
    if image is not None:
        return _image(image, model_yaml)
    if model_yaml is not None:
        raise UsageError("--model-yaml describes an image: give it together with --image")
    return _model(str(name), models_dirs)


def _model(name: str, models_dirs: Sequence[Path]) -> ModelSpec:
    folder = Path(name).expanduser()
    if os.sep in name or (folder / "model.yaml").is_file():
        if not (folder / "model.yaml").is_file():
            raise UsageError(
                f"{folder} has no model.yaml",
                remedy="Name the folder of a model, or make one: multiverse new-model my_model",
            )
        return ModelSpec.load(folder.resolve())
    return find_models([name], models_dirs)[name]


def _image(reference: str, model_yaml: Path | None) -> ModelSpec:
    full = reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"
    if model_yaml is not None:
        described = YamlFile(model_yaml).parse(ModelYaml)
        # Away from its sources: an image is checked as it is, never built.
        return NamedImage(yaml=described, folder=_nowhere(), reference=full)
    slug = make_slug(reference.rpartition("/")[2].partition(":")[0].partition("@")[0])
    assumed = ModelYaml(
        name=slug,
        version="0.0.0",
        title=full,
        image=slug,
        modalities=ModalityNeeds(optional=("rna", "atac", "adt")),
    )
    return NamedImage(yaml=assumed, folder=_nowhere(), reference=full)


def _nowhere() -> Path:
    return Path(gettempdir(), "multiverse-no-sources")
