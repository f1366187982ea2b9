"""``multiverse new-model``."""

from __future__ import annotations

import shlex
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from multiverse.api import new_model
from multiverse.cli.terminal import say


@dataclass(frozen=True)
class NewModelArguments:
    """The model's name, and where its folder is made."""

    name: str
    into: Path


def read(given: Namespace) -> NewModelArguments:
    """Return the arguments."""
    return NewModelArguments(name=given.name, into=given.into)


def main(arguments: NewModelArguments) -> int:
    """Write the folder of a new model, and say what comes next."""
    folder = new_model(arguments.name, arguments.into)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    say(f"wrote {folder}/: {', '.join(map(str, files))}")
    say("it runs as it stands; the method is in __main__.py, what it accepts in model.yaml")
    say("next:")
    place = shlex.quote(str(folder))
    say(f"  multiverse check {place}")
    say(f"  multiverse run --models {arguments.name} --models-dir {place} --input data.h5mu")
    return 0
