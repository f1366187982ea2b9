"""Hundreds of tiny jobs, while runners, containers and the daemon are killed at random moments.

One results folder, one model, a Docker daemon of its own (which needs root). Runners are started
again until one comes to its end with every job published exactly once; then everything is examined:
checksums, containers, locks, temporary files, processes, and each start of each container.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import SimulatedDataset
from measure import MULTIVERSE, clean_environment, show
from report import Target, conclude
from soak_check import Aftermath, disorderly, processes
from soak_containers import ContainerLog
from soak_faults import Storm
from soak_model import SoakPlan, write_model

from tests.faults.daemon import Daemon

CELLS = 60


@dataclass(frozen=True)
class Bench:
    """Folders, a registered dataset, a model, and what runners are told."""

    scratch: Path
    dataset: SimulatedDataset
    model: Path
    plan: SoakPlan
    environment: dict[str, str]

    @property
    def results(self) -> Path:
        return self.scratch / "results"

    @property
    def temporary(self) -> Path:
        """The system's temporary folder, as every process of the soak sees it."""
        return Path(self.environment["TMPDIR"])

    def command(self, engine: str, cpus: float) -> list[str]:
        return [
            MULTIVERSE, "run", str(self.scratch / "benchmark.yaml"), "--json", "--no-build",
            "--engine", engine, "--models-dir", str(self.model), "--cpus", f"{cpus:g}",
            "--output", str(self.results),
        ]  # fmt: skip


def prepare(scratch: Path, plan: SoakPlan, daemon: Daemon, seconds: float) -> Bench:
    """Register the dataset, build the model, and give its image to the daemon."""
    environment = clean_environment(scratch / "home")
    environment |= {"MULTIVERSE_CACHE": str(scratch / "cache"), "PYTHONUNBUFFERED": "1"}
    dataset = SimulatedDataset.registered(CELLS, scratch, environment)
    model = write_model(scratch / "models", dataset.data, seconds)
    model.build(environment)
    archive = scratch / "image.tar"
    subprocess.run(["docker", "save", "--output", str(archive), model.image], check=True)  # noqa: S607
    loaded = daemon.docker("load", "--input", str(archive))
    assert loaded.returncode == 0, loaded.stderr
    archive.unlink()
    plan.write(scratch / "benchmark.yaml", dataset.slug)
    for name in ("temporary", "logs"):
        (scratch / name).mkdir()
    environment |= {"DOCKER_HOST": daemon.host, "TMPDIR": str(scratch / "temporary")}
    return Bench(scratch, dataset, model.folder, plan, environment)


def soak(bench: Bench, daemon: Daemon, arguments: argparse.Namespace) -> int:
    """The storm, then the examination; 1 if anything is off."""
    log = ContainerLog(daemon)
    expected = {
        "complete": len(bench.plan.seeds) - len(bench.plan.failing),
        "failed": len(bench.plan.failing),
    }
    storm = Storm(
        daemon,
        bench.command(arguments.engine, arguments.cpus),
        bench.environment,
        bench.scratch / "logs",
        random.Random(arguments.seed),  # noqa: S311 - the same storm for the same seed
        arguments.pause,
        {state: count for state, count in expected.items() if count},
    )
    began = time.monotonic()
    try:
        storm.rage()
    finally:
        storm.stop_all()
    wall = time.monotonic() - began
    log.close()
    aftermath = Aftermath.read(bench.plan, bench.results, bench.dataset.slug, log.lives())
    return _conclude(bench, daemon, storm, aftermath, wall, arguments)


def _conclude(
    bench: Bench,
    daemon: Daemon,
    storm: Storm,
    aftermath: Aftermath,
    wall: float,
    arguments: argparse.Namespace,
) -> int:
    last = storm.runners[-1]
    verify = subprocess.run(
        [MULTIVERSE, "verify", str(bench.results)], capture_output=True, text=True, check=False
    )
    findings = {
        "jobs lost or published twice": list(aftermath.lost_or_doubled()),
        "attempts that ended for another reason": list(aftermath.wrong_endings()),
        "containers that nothing explains": list(aftermath.unexplained_starts()),
        "differences that verify finds": verify.stdout.splitlines() if verify.returncode else [],
        "containers left over": daemon.containers(),
        "files left over": [*aftermath.left_over(), *map(str, bench.temporary.iterdir())],
        "processes left over": list(processes("MULTIVERSE_HOME", str(bench.scratch / "home"))),
        "runners that broke": list(disorderly(storm.runners)),
        "last command, all in peace, not as expected": []
        if last.counts() == storm.expected
        else [f"{last.process.returncode}: {last.err.read_text()[-500:]}"],
    }
    for what, lines in findings.items():
        for line in lines:
            show(f"{what}: {line}")
    figures = _figures(storm, aftermath, wall)
    for name, value in figures.items():
        print(f"{name:42}{value if isinstance(value, dict) else f'{value:g}'}")
    targets = [Target(what, len(lines), 0, "") for what, lines in findings.items()]
    settings = {"seed": arguments.seed, "pause_s": arguments.pause, "cpus": arguments.cpus}
    return conclude("soak", targets, {"settings": settings, **figures})


def _figures(storm: Storm, aftermath: Aftermath, wall: float) -> dict[str, Any]:
    events = [event for runner in storm.runners for event in runner.events()]
    told = Counter(event["event"] for event in events)
    computed, lost = aftermath.seconds(storm.restarts)
    noted = [event["message"] for event in events if event["event"] == "noted"]
    return {
        "jobs": len(aftermath.plan.seeds),
        "published": len(aftermath.published),
        "fail by design": len(aftermath.plan.failing),
        "faults": storm.faults.total() - storm.faults["a second runner"],
        "faults by kind": dict(storm.faults.most_common()),
        "commands": len(storm.runners),
        "containers started": sum(map(len, aftermath.lives.values())),
        "taken over from a dead runner": sum(
            event["event"] == "started" and event["adopted"] for event in events
        ),
        "of these published or kept at once": sum(
            message.startswith("left by a runner that was killed") for message in noted
        ),
        "repeated within a command": told["retried"],
        "held by the other runner": told["held"],
        "kept attempts by cause": dict(
            Counter(str(record.cause) for record in aftermath.kept).most_common()
        ),
        "wall seconds": round(wall, 1),
        "seconds computed in containers": round(computed, 1),
        "share of them lost to faults": round(lost / computed, 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=300, help="how many (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="of the faults (default: 0)")
    parser.add_argument("--engine", default="docker", choices=["docker"])
    parser.add_argument("--seconds", type=float, default=1.0, help="of a job, about (default: 1)")
    parser.add_argument(
        "--pause", type=float, default=4.0, help="seconds between faults, on average (default: 4)"
    )
    parser.add_argument(
        "--cpus", type=float, default=4, help="jobs at a time; they sleep (default: 4)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the folders for a look")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("a Docker daemon of its own needs root")
    # A socket's path may be 107 bytes long.
    daemon = Daemon(Path(tempfile.mkdtemp(prefix="mv-soak-", dir="/tmp")))
    scratch = Path(tempfile.mkdtemp(prefix="multiverse-benchmark-"))
    try:
        daemon.start()
        plan = SoakPlan(arguments.jobs)
        return soak(prepare(scratch, plan, daemon, arguments.seconds), daemon, arguments)
    finally:
        daemon.remove()
        if arguments.keep:
            show(f"kept: {scratch}")
        else:
            subprocess.run(["rm", "-r", str(scratch)], check=False)  # noqa: S607


if __name__ == "__main__":
    sys.exit(main())
