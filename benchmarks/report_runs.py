"""How much CPU time `multiverse report` takes on 10,000 runs, and against earlier code if named."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import list_runs
from measure import Timings, clean_environment, take_turns
from report import Target, conclude

#: Of the page, the table and the research object together: milliseconds of one core a run.
LIMIT = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument(
        "--before", type=Path, help="a folder with the package `multiverse` to hold this against"
    )
    parser.add_argument("--runs", type=int, default=list_runs.RUNS)
    arguments = parser.parse_args()
    list_runs.RUNS = arguments.runs
    with tempfile.TemporaryDirectory(prefix="multiverse-benchmark-") as folder:
        environment = clean_environment(Path(folder, "home"))
        results = Path(folder, "results")
        list_runs.write_runs(results)
        command = [sys.executable, "-P", "-m", "multiverse", "report", str(results)]
        cases = {"now": environment}
        if arguments.before is not None:
            cases["before"] = {**environment, "PYTHONPATH": str(arguments.before.resolve())}
        taken = take_turns(
            {
                name: lambda variables=variables: list_runs.cpu_seconds(command, variables)
                for name, variables in cases.items()
            },
            arguments.repetitions,
            warm_up=0,
        )
    return _conclude(taken)


def _conclude(taken: dict[str, Timings]) -> int:
    now = taken["now"]
    each = 1000 * now.median / list_runs.RUNS
    targets = [
        Target(f"multiverse report, {list_runs.RUNS:,} runs, CPU time a run", each, LIMIT, "ms")
    ]
    if "before" in taken:
        ratio = now.over(taken["before"]).median
        targets.append(Target("CPU time over that of the code before", ratio, 1))
    details = {
        name: {"median_s": round(case.median, 2), "min_s": round(case.minimum, 2)}
        for name, case in taken.items()
    }
    return conclude("report_runs", targets, details)


if __name__ == "__main__":
    sys.exit(main())
