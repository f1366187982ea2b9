"""Images of models that nothing runs any more: of another version, or replaced by a later build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from multiverse.cleanup.references import References
from multiverse.cleanup.removable import CleanupGroup, Entry, Item, Kept, NotRemoved
from multiverse.engines.docker import daemon_errors
from multiverse.errors import EngineError
from multiverse.images.daemon import connect
from multiverse.images.sdk import MODEL_LABEL, SOURCES_LABEL
from multiverse.specs.accelerator import has_cuda_variant, variant
from multiverse.specs.model import ModelSpec

#: Seconds for one answer: adding up the layers of many images takes a daemon a while.
DAEMON_TIMEOUT = 120


def stale_images(models: Sequence[ModelSpec], seen: References) -> Iterator[Entry]:
    """Yield images built here from a model's folder that no model has as its own now.

    An image of a model that is not known here, one with a name that somebody gave it, and one
    that came from a registry stay. ``size`` is what only that image has.
    """
    try:
        with daemon_errors():
            client = connect(DAEMON_TIMEOUT)
            found = client.images(filters={"label": [SOURCES_LABEL, MODEL_LABEL]})
            own = _own_sizes(client) if found else {}
    except EngineError as error:
        yield Kept(CleanupGroup.IMAGES, "images", f"{error}")
        return
    tags = _tags(models)
    for image in sorted(found, key=_first_tag):
        why = _made(seen, image)
        size = own.get(image["Id"], 0)
        named = [tag for tag in image.get("RepoTags") or [] if tag != "<none>:<none>"]
        model = image["Labels"][MODEL_LABEL]
        if not named:
            reason = f"an earlier build of {model}{why}"
            remove = partial(_remove, image["Id"])
            yield Item(CleanupGroup.IMAGES, image["Id"][:19], reason, size, remove)
        for tag in named:
            if model in tags and tags[model].was(tag):
                reason = f"{model} is {tags[model].version} now{why}"
                only = size if len(named) == 1 else 0
                yield Item(CleanupGroup.IMAGES, tag, reason, only, partial(_remove, tag))


class _Tags:
    """The names that a model's images have in its present version."""

    def __init__(self, model: ModelSpec) -> None:
        self.name = model.yaml.image
        self.version = model.version
        self._current = {model.image_tag}
        if has_cuda_variant(model):
            self._current.add(variant(model, "cuda").image_tag)

    def was(self, tag: str) -> bool:
        """Return whether it is the name of the model's image in another version."""
        return tag.rpartition(":")[0] == self.name and tag not in self._current


def _tags(models: Sequence[ModelSpec]) -> dict[str, _Tags]:
    return {model.name: _Tags(model) for model in models}


def _first_tag(image: Mapping[str, Any]) -> tuple[str, str]:
    return (min(image.get("RepoTags") or [""]), image["Id"])


def _own_sizes(client: Any) -> dict[str, int]:
    """Return the bytes of the layers that no other image has."""
    sizes = {}
    for image in client.df()["Images"] or []:
        shared = max(0, image.get("SharedSize", 0))
        sizes[image["Id"]] = int(image["Size"]) - shared
    return sizes


def _made(seen: References, image: Mapping[str, Any]) -> str:
    digests = [text.rpartition("@")[2] for text in image.get("RepoDigests") or []]
    count = sum(seen.images[digest] for digest in {image["Id"], *digests})
    return f"; {count} runs here were made by it" if count else ""


def layer_bytes() -> int:
    """Return the bytes that all images take together."""
    with daemon_errors():
        return int(connect(DAEMON_TIMEOUT).df()["LayersSize"])


def _remove(reference: str) -> None:
    """Remove without force: images that containers use, and parents of others, stay."""
    try:
        with daemon_errors():
            connect(DAEMON_TIMEOUT).remove_image(reference, noprune=True)
    except EngineError as error:
        raise NotRemoved(str(error)) from error
