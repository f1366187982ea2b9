"""Whether the runner's own time grows with the dataset.

The overhead of a job is the wall time of the whole command minus that of its container, as the
run's record has it. The model is trivial; the datasets are registered beforehand.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from datasets import SimulatedDataset
from measure import MULTIVERSE, clean_environment, show, take_turns, timed
from report import Target, conclude
from trivial_model import TrivialModel

from multiverse.runs.record import RunRecord

SIZES = (1_000, 5_000, 20_000)
#: Twenty times the cells may cost this much more: noise, and the check of every row's name.
ALLOWED = 1.15


@dataclass(frozen=True)
class Subject:
    """A dataset and the model that answers for it."""

    dataset: SimulatedDataset
    model: TrivialModel

    @classmethod
    def make(cls, n_cells: int, scratch: Path, environment: dict[str, str]) -> Subject:
        show(f"simulating and registering {n_cells:,} cells")
        dataset = SimulatedDataset.registered(n_cells, scratch, environment)
        model = TrivialModel.write(scratch / "models" / f"trivial-{n_cells}", dataset.data)
        model.build(environment)
        return cls(dataset, model)

    def overhead(self, scratch: Path, environment: dict[str, str]) -> float:
        """Wall seconds of ``multiverse run`` that were not its container's."""
        with tempfile.TemporaryDirectory(dir=scratch) as results:
            command = [
                MULTIVERSE, "run", "--engine", "docker", "--no-build",
                "--models-dir", str(self.model.folder), "--models", self.model.name,
                "--dataset", self.dataset.slug, "--output", results,
            ]  # fmt: skip
            wall = timed(command, environment)
            (path,) = Path(results, self.dataset.slug).glob("*/*/run.json")
            return wall - RunRecord.read(path).usage.wall_seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=9)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory(prefix="multiverse-benchmark-") as folder:
        scratch = Path(folder)
        environment = clean_environment(scratch / "home")
        subjects = [Subject.make(size, scratch, environment) for size in SIZES]
        cases: dict[str, Callable[[], float]] = {
            f"{subject.dataset.n_cells} cells": partial(subject.overhead, scratch, environment)
            for subject in subjects
        }
        megabytes = {
            f"{subject.dataset.n_cells} cells": subject.dataset.data.stat().st_size / 1e6
            for subject in subjects
        }
        taken = take_turns(cases, repetitions)
    smallest, *larger = taken
    targets = [
        Target(f"overhead, {name} / {smallest}", taken[name].over(taken[smallest]).median, ALLOWED)
        for name in larger
    ]
    details = {
        name: {
            "data_mb": round(megabytes[name], 1),
            "median_overhead_s": round(case.median, 3),
            "min_overhead_s": round(case.minimum, 3),
        }
        for name, case in taken.items()
    }
    return conclude("dataset_size", targets, details)


if __name__ == "__main__":
    sys.exit(main())
