"""Writes the template's files under a new model's name: all of them, or none."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from multiverse.errors import ResultsError, UsageError
from multiverse.specs.image_names import owner_of
from multiverse.specs.model import ImageName
from multiverse.specs.names import EVALUATOR, check_slug

TEMPLATE = Path(__file__).resolve().parent / "template"
MODELS = Path(__file__).resolve().parent.parent / "models"
#: Ends the names of template files, so that no tool takes them for modules of this package.
SUFFIX = ".template"
PLACEHOLDER = "MODEL_NAME"


def write_model_folder(name: str, into: Path) -> Path:
    """Write the folder ``into/name`` and return its path; it appears whole, by one rename.

    Raises :class:`UsageError` for a name that can't be a model's, or a folder that is there
    already, and :class:`ResultsError` where it can't be written.
    """
    check_name(name)
    target = into / name
    if target.exists() or target.is_symlink():
        raise UsageError(
            f"{target} exists already, and nothing is overwritten",
            remedy="Choose another name, or another place with --into.",
        )
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-model-", dir=into) as scratch:
            made = Path(scratch, name)
            _write(name, made)
            made.rename(target)
    except OSError as error:
        raise ResultsError(f"{target} can't be written: {error.strerror or error}") from error
    return target


def check_name(name: str) -> None:
    """Raise :class:`UsageError` unless ``name`` is a free slug, for a module and an image too."""
    try:
        check_slug(name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if "." in name:
        raise UsageError(
            f"{name!r} has a dot, but a model is run as the module multiverse.models.{name}",
            remedy=f"Call it {name.replace('.', '_')}.",
        )
    try:
        TypeAdapter(ImageName).validate_python(name)
    except ValidationError as error:
        raise UsageError(
            f"{name!r} can't name an image, and a model's image has its name",
            remedy="End with a letter or digit, and put one of _ and - at a time between them.",
        ) from error
    if name == EVALUATOR:
        raise UsageError(f"{name!r} is what the evaluator is called", remedy="Choose another name.")
    if owner_of(name) is not None:
        raise UsageError(
            f"{name!r} is an image of multiverse, and a model's image has its name",
            remedy="Choose another name.",
        )
    if (MODELS / name / "model.yaml").is_file():
        raise UsageError(f"there is a model {name} already", remedy="Choose another name.")


def template_files() -> dict[str, str]:
    """Return path below the model's folder → text, before the name is filled in."""
    found = {
        path.relative_to(TEMPLATE).as_posix().removesuffix(SUFFIX): path.read_text(encoding="utf-8")
        for path in sorted(TEMPLATE.rglob(f"*{SUFFIX}"))
    }
    # The template needs nothing beyond the shared stack, so that the shared lock is its lock.
    found["requirements.txt"] = (MODELS / "common.txt").read_text(encoding="utf-8")
    return found


def _write(name: str, folder: Path) -> None:
    for path, text in template_files().items():
        target = folder / path.replace(PLACEHOLDER, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace(PLACEHOLDER, name), encoding="utf-8")
    shutil.copymode(TEMPLATE, folder)
