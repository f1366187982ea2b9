"""How soon a command answers, and what it costs to plan 10,000 jobs."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import MULTIVERSE, clean_environment, take_turns, timed
from plan_jobs import benchmark_yaml
from report import Target, conclude

PLANNER = Path(__file__).resolve().parent / "plan_jobs.py"


def plan(environment: dict[str, str], folder: Path) -> dict[str, float]:
    """Plan in a fresh process: its number of jobs, its seconds and its peak memory in MiB."""
    file = folder / "benchmark.yaml"
    file.write_text(benchmark_yaml())
    command = [sys.executable, str(PLANNER), str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    assert found["jobs"] == 10_000
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=15)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory(prefix="multiverse-benchmark-") as folder:
        environment = clean_environment(Path(folder, "home"))
        taken = take_turns(
            {
                "multiverse --help": lambda: timed([MULTIVERSE, "--help"], environment),
                "python -c pass": lambda: timed([sys.executable, "-c", "pass"], environment),
            },
            repetitions,
        )
        plans = [plan(environment, Path(folder)) for _ in range(3)]
    answer = taken["multiverse --help"].over(taken["python -c pass"])
    targets = [
        Target("multiverse --help / python -c pass", answer.median, 5),
        Target("planning 10,000 jobs", statistics.median(p["seconds"] for p in plans), 5, "s"),
        Target("planning 10,000 jobs, peak memory", max(p["peak_mib"] for p in plans), 200, "MiB"),
    ]
    details = {
        name: {"median_s": round(case.median, 4), "min_s": round(case.minimum, 4)}
        for name, case in taken.items()
    }
    return conclude("startup", targets, {**details, "plans": plans})


if __name__ == "__main__":
    sys.exit(main())
