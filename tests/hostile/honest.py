"""One honest results folder, made by the real commands; a case copies it and spoils the copy."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from multiverse.facts import EpochFacts
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.live import LiveFile
from multiverse.runs.places import attempt_folders, published_runs
from multiverse.runs.run import Run
from tests.hostile.engine import DIE, DIES, FAILS
from tests.hostile.forked import Ended, Forked
from tests.third_party import register_engine
from tests.unit.scoring.made import register

DATASET = "tiny"
ALONE = ("--no-evaluate", "--no-report", "--no-mlflow")
BENCHMARK = {
    "name": "hostile",
    "datasets": [DATASET],
    "models": ["pca", "mofa"],
    "seeds": [0, 1, DIES],
}


@dataclass(frozen=True)
class Honest:
    """The folder, what it was made of, and what is in it."""

    root: Path
    forked: Forked

    @property
    def results(self) -> ResultsFolder:
        return ResultsFolder(self.root / "results")

    @property
    def benchmark(self) -> Path:
        return self.root / "benchmark.json"

    @property
    def whole(self) -> Path:
        """A benchmark whose runs are all complete."""
        return self.root / "whole.json"

    @property
    def work(self) -> Path:
        """Where commands are run: they leave nothing there."""
        return self.root / "work"

    def command(
        self, *arguments: object, bare: bool = False, environment: Mapping[str, str] | None = None
    ) -> Ended:
        return self.forked.run(
            *arguments, folder=self.work, bare=bare, environment=environment or {}
        )

    def published(self) -> list[Run]:
        return [Run.read(run.record) for run in published_runs(self.results)]

    def failed(self) -> AttemptFolder:
        """The attempt that failed."""
        return next(item for item in attempt_folders(self.results) if item.record.is_file())

    def begun(self) -> AttemptFolder:
        """The attempt whose runner was killed."""
        return next(item for item in attempt_folders(self.results) if item.started.is_file())

    def copy(self, folder: Path) -> ResultsFolder:
        shutil.copytree(self.results.folder, folder, symlinks=True)
        return ResultsFolder(folder)


def environment_of(root: Path) -> dict[str, str]:
    """The variables of every command; ``root`` is given the files that they name."""
    packages = root / "packages"
    packages.mkdir(parents=True)
    register_engine(packages, "honest", "tests.hostile.engine:HonestEngine")
    (root / "work").mkdir()
    repository = Path(__file__).resolve().parents[2]
    return {
        "PYTHONPATH": f"{repository}:{packages}",
        "MULTIVERSE_HOME": str(root / "home"),
        "MULTIVERSE_ENGINE": "honest",
        "MULTIVERSE_NO_MLFLOW": "1",
        "MULTIVERSE_NO_EVALUATE": "1",
        "MULTIVERSE_NO_REPORT": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }


def make(honest: Honest) -> None:
    """Fill the folder with everything that the product ever leaves in one."""
    root, results = honest.root, honest.results.folder
    register(root / "home", DATASET)
    whole = {**BENCHMARK, "seeds": [0, 1]}
    for name, content in (("whole", whole), ("benchmark", BENCHMARK)):
        (root / f"{name}.json").write_text(json.dumps(content))
    run = ("run", "--output", results, "--no-build", *ALONE)
    one = ("--models", "pca", "--dataset", DATASET, "--seeds")
    steps: tuple[tuple[int, tuple[object, ...], dict[str, str]], ...] = (
        (0, ("run", honest.whole, *run[1:]), {}),
        (1, (*run, *one, FAILS), {}),
        (0, ("evaluate", results, "--no-report"), {}),
        (0, ("report", results, "--figures"), {"MULTIVERSE_NO_REPORT": ""}),
        (0, ("track", results), {}),
        (-signal.SIGKILL, ("evaluate", results, "--again", "--no-report"), {DIE: "evaluate"}),
        (-signal.SIGKILL, ("run", honest.benchmark, *run[1:], "--jobs", 1), {DIE: "run"}),
    )
    for expected, command, variables in steps:
        done = honest.command(*command, environment=variables)
        assert done.code == expected, f"{command}: {done.code}\n{done.said}"
    begun = honest.begun()
    live = LiveFile(
        started_at="2026-01-01T00:00:00+00:00",
        updated_at="2026-01-01T00:00:01+00:00",
        cpus=1.0,
        memory=2**30,
        epoch=EpochFacts(1, 3, {"loss": 2.0}),
    )
    begun.live.write_text(live.to_json())
