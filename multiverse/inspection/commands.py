"""Commands to copy: quoted, so that they mean in a shell what they say."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiverse.registry.options import RegistrationOptions


@dataclass(frozen=True)
class Target:
    """What a command is to run on: the words that name it, or the name of an object in Python.

    ``options`` are words that the command has besides, such as folders of models.
    """

    option: str
    value: str
    more: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_file(cls, path: Path, models_dirs: Sequence[Path] = ()) -> Target:
        return cls("--input", str(path), _folders(models_dirs))

    @classmethod
    def of_slug(cls, slug: str, models_dirs: Sequence[Path] = ()) -> Target:
        return cls("--dataset", slug, _folders(models_dirs))

    @classmethod
    def of_object(cls, name: str) -> Target:
        """``name``: of a variable that holds it, such as ``adata``."""
        return cls("", name)

    def run(self, models: Sequence[str], options: RegistrationOptions) -> str | None:
        """Return the command that runs models on it; None where a name can't be pasted."""
        if not self.option:
            return _python(models, self.value, options)
        words = ["multiverse", "run", "--models", *models]
        given = [(self.option, self.value), *_said(options), *self.more]
        if not all(value.isprintable() for _, value in given):
            return None
        words += [word for name, value in given for word in option_words(name, value)]
        return shlex.join(words)


def register_command(path: Path, slug: str, options: RegistrationOptions) -> str | None:
    """Return the command that registers a file anew; None where a name can't be pasted."""
    given = [*_said(options), ("--slug", slug)]
    if not all(value.isprintable() for value in (str(path), *(value for _, value in given))):
        return None
    words = [word for name, value in given for word in option_words(name, value)]
    file = ["--", str(path)] if str(path).startswith("-") else [str(path)]
    return shlex.join(["multiverse", "register", *words, "--replace", *file])


def option_words(name: str, value: str) -> list[str]:
    """Return an option with its value as words that argparse takes for what they are."""
    if name in _FLAGS:
        return [name]
    return [f"{name}={value}"] if value.startswith("-") or not value else [name, value]


_FLAGS = ("--intersect", "--mosaic")


def _said(options: RegistrationOptions) -> Iterator[tuple[str, str]]:
    """Yield every option that is not as usual, with its value; a flag has none."""
    for name, value in _settings(options).items():
        option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
        if isinstance(value, Mapping):
            yield from ((option, f"{key}={item}") for key, item in value.items())
        elif isinstance(value, list):
            yield from ((option, item) for item in value)
        else:
            yield option, "" if value is True else str(value)


#: Where the command line says the singular.
_OPTIONS = {"modalities": "--modality"}


def _settings(options: RegistrationOptions) -> dict[str, Any]:
    """Return what differs from the defaults, as an entry of a benchmark file says it."""
    given = {
        "batch_key": options.batch_key,
        "label_key": options.label_key,
        "unlabelled": list(options.unlabelled),
        "modalities": dict(options.modality_names),
        "layer": options.layer,
        "intersect": options.intersect,
        "mosaic": options.mosaic,
    }
    return {name: value for name, value in given.items() if value}


def _python(models: Sequence[str], name: str, options: RegistrationOptions) -> str:
    settings = {"slug": name, **_settings(options)}
    words = [f"{key}={value!r}" for key, value in settings.items()]
    return f"multiverse.run({', '.join([repr(list(models)), name, *words])})"


def _folders(models_dirs: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    return tuple(("--models-dir", str(folder)) for folder in models_dirs)
