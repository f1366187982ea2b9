"""``multiverse new-model``."""

from __future__ import annotations

import shlex
from argparse import Namespace

from multiverse.cli.terminal import say
from multiverse.scaffold import write_model_folder


def main(arguments: Namespace) -> int:
    folder = write_model_folder(arguments.name, arguments.into)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    say(f"wrote {folder}/: {', '.join(map(str, files))}")
    say("it runs as it stands; the method is in __main__.py, what it accepts in model.yaml")
    say("next:")
    place = shlex.quote(str(folder))
    say(f"  multiverse check {place}")
    say(f"  multiverse run --models {arguments.name} --models-dir {place} --input data.h5mu")
    return 0
