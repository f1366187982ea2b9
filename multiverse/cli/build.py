"""``multiverse build``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from multiverse.api import build_images
from multiverse.cli.terminal import say, show_notes
from multiverse.errors import UsageError
from multiverse.specs import Accelerator


@dataclass(frozen=True)
class BuildArguments:
    """``models``: None for all there are."""

    models: tuple[str, ...] | None
    base: str
    accelerator: Accelerator
    no_cache: bool
    verbose: bool
    models_dirs: tuple[Path, ...]


def read(given: Namespace) -> BuildArguments:
    """Return the arguments; :class:`UsageError` unless they name models or say ``--all``."""
    if given.all == bool(given.models):
        raise UsageError("name the models to build, or give --all")
    return BuildArguments(
        models=None if given.all else tuple(given.models),
        base=given.base,
        accelerator=given.accelerator,
        no_cache=given.no_cache,
        verbose=given.verbose,
        models_dirs=tuple(given.models_dir),
    )


def main(arguments: BuildArguments) -> int:
    """Build the images of models, and print their tags and ids."""
    built = build_images(
        arguments.models,
        base=arguments.base,
        accelerator=arguments.accelerator,
        no_cache=arguments.no_cache,
        verbose=arguments.verbose,
        models_dirs=arguments.models_dirs,
        tell=show_notes,
    )
    for image in built:
        say(f"{image.tag}  {image.image_id}")
    return 0
