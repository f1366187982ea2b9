"""What `multiverse run --dry-run` of 10,000 jobs costs, beside the same of 1,000.

The whole command: Python's start, reading and expanding the benchmark file, the question to the
daemon for the images, the identity of every job, the search for what is complete already, what is
expected of each from a full history, and the list. Nothing is run. Targets are of CPU time: the
command waits for nothing but the daemon's answer, and other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from measure import MULTIVERSE, Timings, clean_environment, show, take_turns, timed
from plan_jobs import N_DATASETS, N_SEEDS, benchmark_yaml
from report import Target, conclude

from multiverse.demo.simulation import write_simulation
from multiverse.forecast.history import History, PastRun

MEASURED = [sys.executable, str(Path(__file__).resolve().parent / "plan_jobs.py"), "--measure"]
#: Seeds of the small plan and of the large one, with 200 jobs a seed.
FEW, MANY = N_SEEDS // 10, N_SEEDS
#: As many past runs as are read.
PAST_RUNS = 5_000


@dataclass
class DryRun:
    """One size of plan, and what each command on it took besides wall time."""

    jobs: int
    file: Path
    environment: dict[str, str]
    cpu_seconds: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)

    @classmethod
    def write(cls, seeds: int, folder: Path, environment: dict[str, str]) -> DryRun:
        file = folder / f"{seeds}-seeds.yaml"
        file.write_text(benchmark_yaml(seeds))
        return cls(seeds * 200, file, environment)

    def arguments(self, *options: str) -> list[str]:
        output = str(self.file.parent / "results")
        return ["run", str(self.file), "--engine", "docker", "--output", output,
                "--dry-run", *options]  # fmt: skip

    def seconds(self) -> float:
        """Wall seconds of the whole command, whose list goes into a file."""
        cost, listed = self.file.with_suffix(".cost"), self.file.with_suffix(".txt")
        command = [*MEASURED, str(cost), *self.arguments()]
        words = ["sh", "-c", 'exec "$@" > "$0"', str(listed), *command]
        taken = timed(words, self.environment)
        last = listed.read_text().splitlines()[-1]
        assert last.startswith(f"{self.jobs} jobs: {self.jobs} to run"), last
        found = json.loads(cost.read_text())
        self.cpu_seconds.append(found["cpu_seconds"])
        self.peak_mib.append(found["peak_mib"])
        return taken

    def details(self, wall: Timings) -> dict[str, float]:
        return {
            "median_s": round(wall.median, 3),
            "min_s": round(wall.minimum, 3),
            "median_cpu_s": round(statistics.median(self.cpu_seconds), 3),
            "peak_mib": round(max(self.peak_mib), 1),
        }


def register(folder: Path, environment: dict[str, str]) -> None:
    """Small simulations, each of another number of cells, as the benchmark file names them."""
    for number in range(N_DATASETS):
        show(f"registering dataset {number + 1} of {N_DATASETS}")
        source = write_simulation(folder / "source.h5mu", n_cells=60 + number)
        slug = ["--slug", f"dataset-{number}"]
        keys = ["--batch-key", "batch", "--label-key", "cell_type"]
        timed([MULTIVERSE, "register", str(source), *slug, *keys], environment)
        source.unlink()


def remember(cache: Path) -> None:
    """A full history of both models, with settings of all kinds."""
    history = History(cache / "history.jsonl")
    for number in range(PAST_RUNS):
        history.append(
            PastRun(
                model=("pca", "mofa")[number % 2],
                model_version="1.0.0",
                device="cpu",
                engine="docker",
                n_obs=1000 + number,
                n_values=1000 * (1000 + number),
                cpus=1.0,
                wall_seconds=10 + number / 100,
                peak_memory_bytes=10**8 + 10**4 * number,
                out_of_memory=False,
                memory_limit=4 * 1024**3,
                parameters=f"{number % 20:08x}",
                finished_at="2026-01-01T00:00:00+00:00",
            )
        )


def check_images(plan: DryRun) -> None:
    """Without its image a job has no run id, and the figures would be too good."""
    listed = plan.file.with_suffix(".json")
    command = [MULTIVERSE, *plan.arguments("--json")]
    timed(["sh", "-c", 'exec "$@" > "$0"', str(listed), *command], plan.environment)
    jobs = json.loads(listed.read_text())
    assert len({job["run_id"] for job in jobs}) == plan.jobs, "multiverse build pca mofa"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory(prefix="multiverse-benchmark-") as folder:
        scratch = Path(folder)
        environment = clean_environment(scratch / "home")
        environment["MULTIVERSE_CACHE"] = str(scratch / "cache")
        register(scratch, environment)
        remember(scratch / "cache")
        plans = {seeds: DryRun.write(seeds, scratch, environment) for seeds in (FEW, MANY)}
        check_images(plans[FEW])
        few, many = plans[FEW], plans[MANY]
        cases: dict[str, Callable[[], float]] = {
            f"{plan.jobs:,} jobs": partial(plan.seconds) for plan in (few, many)
        }
        taken = take_turns(cases, repetitions, warm_up=0)
    cpu = Timings(tuple(many.cpu_seconds)).over(Timings(tuple(few.cpu_seconds))).median
    targets = [
        Target("dry run of 10,000 jobs, CPU", statistics.median(many.cpu_seconds), 10, "s"),
        Target("its CPU seconds, 10,000 jobs / 1,000", cpu, 10),
        Target("its peak memory, 10,000 jobs / 1,000", max(many.peak_mib) / max(few.peak_mib), 1.5),
    ]
    details = {
        name: plan.details(wall)
        for (name, wall), plan in zip(taken.items(), (few, many), strict=True)
    }
    return conclude("dry_run", targets, {**details, "past_runs": PAST_RUNS})


if __name__ == "__main__":
    sys.exit(main())
