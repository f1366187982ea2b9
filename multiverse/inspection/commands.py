"""Commands to copy: quoted, so that they mean in a shell what they say."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from multiverse.registry.files import Files, in_order
from multiverse.registry.options import RegistrationOptions


@dataclass(frozen=True)
class Target:
    """What a command is to run on: the words that name it, or the name of an object in Python.

    ``options`` are words that the command has besides, such as folders of models.
    """

    option: str
    values: tuple[str, ...]
    more: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_files(cls, files: Files, models_dirs: Sequence[Path] = ()) -> Target:
        return cls("--input", _words(files), _folders(models_dirs))

    @classmethod
    def of_slug(cls, slug: str, models_dirs: Sequence[Path] = ()) -> Target:
        return cls("--dataset", (slug,), _folders(models_dirs))

    @classmethod
    def of_object(cls, name: str) -> Target:
        """``name``: of a variable that holds it, such as ``adata``."""
        return cls("", (name,))

    def run(self, models: Sequence[str], options: RegistrationOptions) -> str | None:
        """Return the command that runs models on it; None where a name can't be pasted."""
        if not self.option:
            return _python(models, self.values[0], options)
        words = ["multiverse", "run", "--models", *models]
        given = [*((self.option, value) for value in self.values), *_said(options), *self.more]
        if not all(value.isprintable() for _, value in given):
            return None
        words += [word for name, value in given for word in option_words(name, value)]
        return shlex.join(words)


def register_command(files: Files, slug: str, options: RegistrationOptions) -> str | None:
    """Return the command that registers files anew; None where a name can't be pasted."""
    given = [*_said(options), ("--slug", slug)]
    paths = _words(files)
    if not all(value.isprintable() for value in (*paths, *(value for _, value in given))):
        return None
    words = [word for name, value in given for word in option_words(name, value)]
    mark = ["--"] if any(path.startswith("-") for path in paths) else []
    return shlex.join(["multiverse", "register", *words, "--replace", *mark, *paths])


def _words(files: Files) -> tuple[str, ...]:
    """Return files as the command line takes them: a path, or ``rna=a.h5ad`` for each."""
    if isinstance(files, Path):
        return (str(files),)
    return tuple(f"{modality}={path}" for modality, path in in_order(files))


def option_words(name: str, value: str) -> list[str]:
    """Return an option with its value as words that argparse takes for what they are."""
    if name in _FLAGS:
        return [name]
    return [f"{name}={value}"] if value.startswith("-") or not value else [name, value]


_FLAGS = ("--intersect", "--mosaic", "--match-barcodes")


def _said(options: RegistrationOptions) -> Iterator[tuple[str, str]]:
    """Yield every option that is not as usual, with each of its values; a flag has none."""
    for name, value in options.settings().items():
        option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
        if isinstance(value, Mapping):
            for key, items in value.items():
                yield from ((option, f"{key}={item}") for item in _several(items))
        elif isinstance(value, list):
            yield from ((option, item) for item in value)
        else:
            yield option, "" if value is True else str(value)


def _several(items: str | Sequence[str]) -> Sequence[str]:
    """Return one text as a list of one."""
    return [items] if isinstance(items, str) else items


#: Where the command line says the singular.
_OPTIONS = {"modalities": "--modality"}


def _python(models: Sequence[str], name: str, options: RegistrationOptions) -> str:
    settings = {"slug": name, **options.settings()}
    words = [f"{key}={value!r}" for key, value in settings.items()]
    return f"multiverse.run({', '.join([repr(list(models)), name, *words])})"


def _folders(models_dirs: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    return tuple(("--models-dir", str(folder)) for folder in models_dirs)
