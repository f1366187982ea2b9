"""Finds models: folders with a ``model.yaml``, in the package and wherever users say."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
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
    from_variable = os.environ.get(MODELS_VARIABLE, "")
    places = [BUILT_IN, *map(Path, filter(None, from_variable.split(os.pathsep))), *extra]
    found: dict[str, Path] = {}
    for place in places:
        if not place.is_dir():
            raise UsageError(
                f"{place} is not a folder of models",
                remedy="Name a folder that holds model.yaml, or folders that hold one each.",
            )
        place = place.resolve()  # "." and ".." have a name of their own
        candidates = [place] if (place / "model.yaml").is_file() else sorted(place.iterdir())
        found |= {
            folder.name: folder.resolve()
            for folder in candidates
            if (folder / "model.yaml").is_file()
        }
    return found


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
