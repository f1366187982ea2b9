"""The model of the soak: copies a finished output into place, after a moment that its seed decides.

Some seeds fail for good, and some need more memory than they are given at first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trivial_model import TrivialModel

NAME = "soak"
DOCKERFILE = """\
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}
COPY prepared /prepared
COPY job.sh /job.sh
ENTRYPOINT ["sh", "/job.sh"]
"""
#: Of so many seeds one fails and one is hungry.
EVERY, FAILS, HUNGRY = 30, 7, 17
EXIT_CODE = 3
#: What a job is given at first, and the one piece that the hungry ones allocate.
MEMORY_MIB, HUNGER_MIB = 48, 64
JOB = """\
set -eu
seed=$(sed -n 's/.*"seed": *\\([0-9]*\\).*/\\1/p' /output/job_spec.json)
ms=$(({milliseconds} * (4 + 2 * (seed % 7)) / 10))
printf '{{"epoch": 1, "loss": 1.0}}\\n' >> /output/metrics.jsonl
sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
if [ $((seed % {every})) -eq {fails} ]; then echo "seed $seed fails, always"; exit {exit_code}; fi
if [ $((seed % {every})) -eq {hungry} ]; then
  dd if=/dev/zero of=/dev/null bs={hunger}M count=1
fi
cp /prepared/* /output/
"""


@dataclass(frozen=True)
class SoakPlan:
    """The jobs: seeds 0 … ``jobs`` - 1 of one model on one dataset."""

    jobs: int

    @property
    def seeds(self) -> Sequence[int]:
        return range(self.jobs)

    @property
    def failing(self) -> list[int]:
        """Seeds that fail, however often they run."""
        return [seed for seed in self.seeds if seed % EVERY == FAILS]

    @property
    def hungry(self) -> list[int]:
        """Seeds that run out of memory once."""
        return [seed for seed in self.seeds if seed % EVERY == HUNGRY]

    def write(self, path: Path, dataset: str) -> None:
        """The benchmark file."""
        path.write_text(
            f"datasets: [{dataset}]\nmodels: [{NAME}]\nseeds: {list(self.seeds)}\n"
            f"resources: {{cpus: 1, memory: {MEMORY_MIB}MiB}}\n"
        )


def write_model(folder: Path, data: Path, seconds: float) -> TrivialModel:
    """The model's folder, for the cells of ``data``; its jobs take about that many seconds."""
    model = TrivialModel.write(folder / NAME, data)
    (model.folder / "Dockerfile").write_text(DOCKERFILE)
    (model.folder / "job.sh").write_text(
        JOB.format(
            milliseconds=round(seconds * 1000), every=EVERY, fails=FAILS, hungry=HUNGRY,
            exit_code=EXIT_CODE, hunger=HUNGER_MIB,
        )
    )  # fmt: skip
    return model
