"""What ``multiverse inspect`` expects of a job, held against what the job then takes.

Real datasets are inspected and run one after the other, those with fewer cells first, with a
history that is empty at the start: of the first one nothing is known, and each later one is
foreseen from those before it. One job at a time, with default settings, by Docker, in the images
that are there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measure import MULTIVERSE, clean_environment, show, timed
from report import Target, conclude

from multiverse.runs.record import RunRecord

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
#: Each dataset with its models; ``mofa`` takes minutes on the larger ones.
CASES = {
    "wu2020_tcells_rna": ("pca", "mofa"),
    "pbmc68k_rna": ("pca", "mofa"),
    "pbmc_inhouse_citeseq": ("pca",),
    "pbmc_citeseq_2batch": ("pca",),
}
#: A forecast may be so many times too high or too low, in the middle of all cases.
TIME_FACTOR, MEMORY_FACTOR = 1.5, 1.5


@dataclass(frozen=True)
class Comparison:
    """One figure of one job, expected and measured; ``expected`` None where nothing was known."""

    dataset: str
    n_obs: int
    model: str
    figure: str
    known: str | None
    expected: float | None
    measured: float

    @property
    def ratio(self) -> float | None:
        return None if self.expected is None else self.expected / self.measured

    @property
    def factor(self) -> float | None:
        """How many times too high or too low."""
        return None if self.ratio is None else max(self.ratio, 1 / self.ratio)


def inspected(path: Path, environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Model → its outlook, as ``multiverse inspect --json`` has it."""
    done = subprocess.run(
        [MULTIVERSE, "inspect", str(path), "--json"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (document,) = json.loads(done.stdout)
    return {item["model"]: item for item in document["models"]}


def compared(slug: str, scratch: Path, environment: dict[str, str]) -> list[Comparison]:
    """Inspect a dataset, then run its models on it."""
    path = DATA / slug / f"{slug}.h5mu"
    outlooks = inspected(path, environment)
    found = []
    for model in CASES[slug]:
        results = scratch / "results" / slug / model
        show(f"{model} on {slug}")
        command = [
            MULTIVERSE, "run", "--engine", "docker", "--no-build", "--jobs", "1",
            "--models", model, "--input", str(path), "--output", str(results),
        ]  # fmt: skip
        timed(command, environment)
        (place,) = results.glob("*/*/*/run.json")
        record = RunRecord.read(place)
        measured = {
            "time": record.usage.wall_seconds,
            "memory": float(record.usage.peak_memory_bytes or 0),
        }
        for figure, value in measured.items():
            outlook = outlooks[model][figure] or {"known": None, "expected": None}
            found.append(
                Comparison(slug, record.n_obs, model, figure, outlook["known"],
                           outlook["expected"], value)
            )  # fmt: skip
            show(f"  {figure}: expected {outlook['expected']}, measured {value:.6g}")
    return found


def targets_of(found: list[Comparison]) -> list[Target]:
    targets = []
    for figure, limit in (("time", TIME_FACTOR), ("memory", MEMORY_FACTOR)):
        known = [item.factor for item in found if item.figure == figure and item.factor]
        targets.append(Target(f"{figure}: median factor off", statistics.median(known), limit))
    return targets


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="multiverse-benchmark-") as folder:
        scratch = Path(folder)
        environment = clean_environment(scratch / "home")
        environment["MULTIVERSE_CACHE"] = str(scratch / "cache")
        found = [item for slug in CASES for item in compared(slug, scratch, environment)]
    details = [{**asdict(item), "ratio": item.ratio} for item in found]
    return conclude("inspect_forecast", targets_of(found), {"comparisons": details})


if __name__ == "__main__":
    sys.exit(main())
