"""Tells an image that multiverse built from one of another program that has the same name."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from multiverse.errors import ForeignImage
from multiverse.images.docker_cli import ImageInfo
from multiverse.images.sdk import MODEL_LABEL
from multiverse.specs.accelerator import accelerator_of
from multiverse.specs.model import ModelSpec

#: What images say of themselves, in the order in which it is told.
#: https://github.com/opencontainers/image-spec/blob/main/annotations.md
_ANNOTATIONS = {"title": "{}", "vendor": "of {}", "authors": "by {}", "source": "from {}"}
_ANNOTATION = "org.opencontainers.image."
#: Characters of one thing that an image says of itself.
_MAX_WORD = 120
#: Set by the Dockerfiles of the stacks, and by no other program's.
_STACK_VARIABLE = "MULTIVERSE_NUMBA_CACHE="


def labels_of(inspected: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the labels of an image as ``docker image inspect`` has it."""
    found: Mapping[str, str] = _settings(inspected).get("Labels") or {}
    return found


def is_of_model(inspected: Mapping[str, Any], model: ModelSpec) -> bool:
    """Return whether an image was built from such a model: every build here says so by a label."""
    return labels_of(inspected).get(MODEL_LABEL) == model.name


def is_shared(inspected: Mapping[str, Any]) -> bool:
    """Return whether an image may be a stack, the SDK or a base that was made here.

    A stack has a variable that we give it. The others hold files, and run nothing by themselves.
    """
    settings = _settings(inspected)
    variables = settings.get("Env") or []
    if any(str(variable).startswith(_STACK_VARIABLE) for variable in variables):
        return True
    return not (settings.get("Cmd") or settings.get("Entrypoint") or settings.get("Labels"))


def whose(inspected: Mapping[str, Any]) -> str:
    """Return in words whose image it seems to be: what it says of itself, and what it runs.

    Every word of it is the image's own, and is cut and made printable.
    """
    labels, settings = labels_of(inspected), _settings(inspected)
    words = [
        text.format(_word(labels[_ANNOTATION + name]))
        for name, text in _ANNOTATIONS.items()
        if labels.get(_ANNOTATION + name)
    ]
    if not words and labels.get(MODEL_LABEL):
        words = [f"the image of the model {_word(labels[MODEL_LABEL])}"]
    if not words and labels:
        name, text = min(labels.items())
        words = [f"labelled {_word(name)}={_word(text)}"]
    runs = [*(settings.get("Entrypoint") or ()), *(settings.get("Cmd") or ())]
    words += [f"running «{_word(shlex.join(map(str, runs)))}»"] if runs else []
    words += [f"made on {str(inspected['Created'])[:10]}"] if inspected.get("Created") else []
    return "it seems to be " + ", ".join(words) if words else "it does not say whose it is"


def foreign_image(model: ModelSpec, inspected: Mapping[str, Any]) -> ForeignImage:
    """Return the error of an image that has a built-in model's name and is not its image."""
    build = f"multiverse build {model.name}"
    if accelerator_of(model) == "cuda":
        build += " --accelerator cuda"
    return _error(model.image_tag, inspected, f"is not the image of {model.name}", build)


def check_shared(tag: str, there: ImageInfo | None) -> None:
    """Raise :class:`ForeignImage` for one with the name of a stack, the SDK or a base of ours."""
    if there is not None and not is_shared(there.inspected):
        raise _error(tag, there.inspected, "was not made by multiverse", None)


def _error(tag: str, inspected: Mapping[str, Any], what: str, build: str | None) -> ForeignImage:
    commands = [set_aside(tag, inspected), *([build] if build else [])]
    after = "" if build else "; then run the same command again"
    return ForeignImage(
        f"{tag} is there, but {what}: {whose(inspected)}",
        remedy=f"Keep it under another name, and have ours built: {' && '.join(commands)}{after}. "
        "Or leave images alone: --engine local",
    )


def set_aside(tag: str, inspected: Mapping[str, Any]) -> str:
    """Return the commands that give an image a name that no other has, in place of its tag."""
    short = str(inspected["Id"]).rpartition(":")[2][:12]
    repository, _, version = tag.rpartition(":")
    other = f"other-{repository}:{version}-{short}"
    return (
        shlex.join(["docker", "tag", tag, other])
        + " && "
        + shlex.join(["docker", "image", "rm", tag])
    )


def _settings(inspected: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = inspected.get("Config") or {}
    return found


def _word(text: str) -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in str(text))
    plain = " ".join(plain.split())
    return plain if len(plain) <= _MAX_WORD else f"{plain[:_MAX_WORD]}…"
