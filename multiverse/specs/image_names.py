"""Names of images: which are ours, so that no model from elsewhere takes their tags."""

from __future__ import annotations

from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
#: What an image of ours is called: this, and what it is of.
PREFIX = "multiverse-"
#: Of no model: the stacks of packages, the SDK, the base that is made here, the evaluator.
_SHARED = ("base", "torch", "scvi", "sdk", "debian", "evaluate")
#: Where Docker looks for a name that says no place, in all spellings.
_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


@cache
def reserved_images() -> dict[str, str]:
    """Return the image names of the package itself, and the folder that may have each."""
    models = [path.parent for path in (PACKAGE / "models").glob("*/model.yaml")]
    places = {PREFIX + folder.name: f"models/{folder.name}" for folder in models}
    shared = {PREFIX + name: "" for name in _SHARED}
    return {**shared, PREFIX + "evaluate": "evaluation", **places}


def full_name(image: str) -> str:
    """Return an image's name as Docker completes it: ``docker.io/library/multiverse-pca``."""
    place, slash, rest = image.partition("/")
    if not slash or not ("." in place or ":" in place or place == "localhost"):
        place, rest = "docker.io", image
    if place in _HUB:
        place, rest = "docker.io", rest if "/" in rest else f"library/{rest}"
    return f"{place}/{rest}"


def owner_of(image: str) -> str | None:
    """Return the folder of the package that alone may have an image of that name.

    Empty for one that belongs to none, None for a name that anybody may take.
    """
    return {full_name(name): place for name, place in reserved_images().items()}.get(
        full_name(image)
    )
