"""``multiverse demo``."""

from __future__ import annotations

import shlex
import tempfile
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from multiverse.api import demo_benchmark, make_demo
from multiverse.cli.arguments import HowToRun, read_how
from multiverse.cli.run import carry_out
from multiverse.cli.terminal import say, show_notes


@dataclass(frozen=True)
class DemoArguments:
    """The folder of the datasets, and the options of running every model on them, if at all."""

    folder: Path
    cells: int
    seed: int
    run: bool
    output: Path
    how: HowToRun


def read(given: Namespace) -> DemoArguments:
    """Return the arguments."""
    return DemoArguments(
        folder=given.folder,
        cells=given.cells,
        seed=given.seed,
        run=given.run,
        output=given.output,
        how=read_how(given),
    )


def main(arguments: DemoArguments) -> int:
    """Make two small datasets, and run every model on them if wanted."""
    if not arguments.how.dry_run:
        return _demonstrate(arguments, arguments.folder)
    with tempfile.TemporaryDirectory(prefix="multiverse-demo-") as folder:
        say(f"{arguments.folder} is left as it is: the datasets are made for this preview only")
        return _demonstrate(arguments, Path(folder))


def _demonstrate(arguments: DemoArguments, folder: Path) -> int:
    how = arguments.how
    datasets = make_demo(folder, n_cells=arguments.cells, seed=arguments.seed, tell=show_notes)
    if not arguments.run:
        for dataset in datasets:
            path = shlex.quote(str(arguments.folder / dataset.path.name))
            say(f"run it: multiverse run --models pca mofa --input {path}")
        return 0
    source = demo_benchmark(datasets, how.overrides, how.models_dirs)
    say("training is cut short for a first look; defaults: multiverse models NAME")
    return carry_out(source, arguments.output, how)
