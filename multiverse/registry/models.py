"""Finds models: folders with a ``model.yaml``, in the package and wherever users say."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from multiverse.errors import UsageError
from multiverse.specs.model import ModelSpec
from multiverse.specs.yaml_file import suggestion

BUILT_IN = Path(__file__).resolve().parent.parent / "models"
MODELS_VARIABLE = "MULTIVERSE_MODELS"


def model_folders(extra: Iterable[Path] = ()) -> dict[str, Path]:
    """Return slug → folder. Later places win: built-in, ``MULTIVERSE_MODELS``, then ``extra``.

    A place is a folder of model folders, or one model folder itself.
    """
    return {name: folders[-1] for name, folders in _all_folders(extra).items()}


def hidden_models(extra: Iterable[Path] = (), names: Collection[str] | None = None) -> list[str]:
    """Return a sentence for each model that another one of its name stands for; of ``names`` only.

    That is allowed, since whoever works on a fork of a model calls it as before; but never silent.
    """
    sentences = []
    for name, folders in sorted(_all_folders(extra).items()):
        *hidden, used = folders
        if hidden and (names is None or name in names):
            others = " and ".join(
                f"the built-in {name}" if place.parent == BUILT_IN else f"the one in {place}"
                for place in hidden
            )
            sentences.append(f"{name} is the model in {used}, not {others}")
    return sentences


def _all_folders(extra: Iterable[Path]) -> dict[str, list[Path]]:
    """Return slug → every folder of that name, the one that wins last."""
    from_variable = os.environ.get(MODELS_VARIABLE, "")
    places = [BUILT_IN, *map(Path, filter(None, from_variable.split(os.pathsep))), *extra]
    found: dict[str, list[Path]] = {}
    for place in places:
        for name, folder in _folders_in(place).items():
            others = [other for other in found.get(name, []) if other != folder]
            found[name] = [*others, folder]
    return found


def _folders_in(place: Path) -> dict[str, Path]:
    """Return slug → folder of one place; :class:`UsageError` where it can't be read."""
    try:
        if not place.is_dir():
            raise UsageError(
                f"{place} is not a folder of models",
                remedy="Name a folder that holds model.yaml, or folders that hold one each.",
            )
        place = place.resolve()  # "." and ".." have a name of their own
        # Whatever is called so: what is no file is named where it is to be read.
        candidates = [place] if _has_description(place) else sorted(place.iterdir())
    except OSError as error:
        raise UsageError(f"{place} can't be read: {error.strerror or error}") from error
    return {folder.name: folder.resolve() for folder in candidates if _has_description(folder)}


def _has_description(folder: Path) -> bool:
    return os.path.lexists(folder / "model.yaml")


def list_models(extra: Iterable[Path] = ()) -> list[ModelSpec]:
    """Return every model there is, by name."""
    return [ModelSpec.load(folder) for _, folder in sorted(model_folders(extra).items())]


def find_models(names: Sequence[str], extra: Iterable[Path] = ()) -> dict[str, ModelSpec]:
    """Return the named models; :class:`UsageError` names every one that does not exist."""
    folders = model_folders(extra)
    unknown = [name for name in dict.fromkeys(names) if name not in folders]
    if unknown:
        raise UsageError("; ".join(unknown_model(name, folders) for name in unknown))
    return {name: ModelSpec.load(folders[name]) for name in dict.fromkeys(names)}


def unknown_model(name: str, known: Iterable[str]) -> str:
    """Return the message for a model that does not exist, with the nearest that does."""
    shown = name if len(name) <= 60 else name[:57] + "..."
    return f"there is no model {shown!r}{suggestion(name, known)}"
