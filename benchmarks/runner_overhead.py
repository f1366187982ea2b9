"""What the runner costs beside the containers that it starts.

``multiverse run`` with 32 trivial jobs, two at a time, against the same 32 containers started
by ``docker run --rm`` with the same sandbox, two at a time; and one job against one container.
The wall time of the runner is that of the whole command, Python's start included.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from datasets import SimulatedDataset
from measure import MULTIVERSE, clean_environment, take_turns, timed
from report import Target, conclude
from trivial_model import MEMORY, TrivialModel

from multiverse.engines.docker import PIDS_LIMIT, TMPFS_SIZE

PARALLEL = 2
MANY = 32
CELLS = 200


@dataclass(frozen=True)
class Setting:
    """What both sides run: one image, one dataset, folders below ``scratch``."""

    model: TrivialModel
    dataset: SimulatedDataset
    environment: dict[str, str]
    scratch: Path

    def runner(self, jobs: int) -> float:
        """Wall seconds of ``multiverse run`` with that many jobs."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as results:
            command = [
                MULTIVERSE, "run", "--engine", "docker", "--no-build",
                "--models-dir", str(self.model.folder), "--models", self.model.name,
                "--dataset", self.dataset.slug, "--output", str(Path(results, "out")),
                "--seeds", *map(str, range(jobs)), "--jobs", str(min(PARALLEL, jobs)),
            ]  # fmt: skip
            seconds = timed(command, self.environment)
            complete = list(Path(results, "out", self.dataset.slug).glob("*/*/run.json"))
            assert len(complete) == jobs
        return seconds

    def bare(self, jobs: int) -> float:
        """Wall seconds of that many ``docker run --rm``, each with an output folder of its own."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as results:
            outputs = [Path(results, str(number)) for number in range(jobs)]
            for output in outputs:
                output.mkdir()
            started = time.perf_counter()
            with ThreadPoolExecutor(min(PARALLEL, jobs)) as pool:
                list(pool.map(self._docker_run, outputs))
            seconds = time.perf_counter() - started
            assert all((output / "embeddings.h5").is_file() for output in outputs)
        return seconds

    def _docker_run(self, output: Path) -> None:
        """One container in the sandbox of the engine ``docker``."""
        data = self.dataset.data
        command = [
            "docker", "run", "--rm", "--init", "--network", "none", "--read-only",
            "--user", f"{os.getuid()}:{os.getgid()}", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges:true",
            "--tmpfs", f"/tmp:rw,nosuid,nodev,mode=1777,size={TMPFS_SIZE}",  # noqa: S108
            "--memory", MEMORY.removesuffix("iB").lower(),
            "--memory-swap", MEMORY.removesuffix("iB").lower(),
            "--cpus", "1", "--pids-limit", str(PIDS_LIMIT),
            "--mount", f"type=bind,source={output},target=/output",
            "--mount", f"type=bind,source={data},target=/input/data.h5mu,readonly",
            self.model.image,
        ]  # fmt: skip
        timed(command)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory(prefix="multiverse-benchmark-") as folder:
        scratch = Path(folder)
        environment = clean_environment(scratch / "home")
        dataset = SimulatedDataset.registered(CELLS, scratch, environment)
        model = TrivialModel.write(scratch / "models" / "trivial", dataset.data)
        model.build(environment)
        setting = Setting(model, dataset, environment, scratch)
        cases: dict[str, Callable[[], float]] = {
            "runner, one job": lambda: setting.runner(1),
            "docker run, one": lambda: setting.bare(1),
        }
        taken = take_turns(cases, 3 * repetitions)
        taken |= take_turns(
            {
                f"runner, {MANY} jobs": lambda: setting.runner(MANY),
                f"docker run, {MANY}": lambda: setting.bare(MANY),
            },
            repetitions,
            warm_up=0,
        )
    one = taken["runner, one job"].over(taken["docker run, one"])
    many = taken[f"runner, {MANY} jobs"].over(taken[f"docker run, {MANY}"])
    targets = [
        Target(f"{MANY} jobs, {PARALLEL} at a time: runner / docker run", many.median, 1.10),
        Target("one job: runner / docker run", one.median, 2.5),
    ]
    details = {
        name: {"median_s": round(case.median, 3), "min_s": round(case.minimum, 3)}
        for name, case in taken.items()
    }
    ratios = {"one job": one.seconds, f"{MANY} jobs": many.seconds}
    rounded = {name: [round(ratio, 3) for ratio in values] for name, values in ratios.items()}
    return conclude("runner_overhead", targets, {**details, "ratios": rounded})


if __name__ == "__main__":
    sys.exit(main())
