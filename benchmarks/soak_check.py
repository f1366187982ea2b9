"""What a results folder, a daemon and a machine must look like after the storm."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from soak_containers import Attempt, Life
from soak_faults import Runner
from soak_model import EXIT_CODE, MEMORY_MIB, SoakPlan

from multiverse.facts import Cause, RunState
from multiverse.runs.record import RunRecord

#: What ends an attempt that would have gone well.
FAULTS = frozenset(
    {Cause.KILLED, Cause.ENGINE_LOST, Cause.ENGINE_ERROR, Cause.INTERRUPTED, Cause.CANCELLED}
)
#: Of a runner that nobody touched: all well, some jobs failed, the daemon was away.
ORDERLY = (0, 1, 4)
#: What the top of a results folder, and a kept attempt, may hold.
TOP = {"attempts", "benchmark.yaml", "plan.json", "runs.csv", ".multiverse.lock"}
KEPT = {"run.json", "container.log", "output"}


@dataclass(frozen=True)
class Aftermath:
    """All that was published and kept, and every container that was started for it."""

    plan: SoakPlan
    results: Path
    dataset: str
    published: Sequence[RunRecord]
    kept: Sequence[RunRecord]
    lives: Mapping[Attempt, Sequence[Life]]

    @classmethod
    def read(
        cls, plan: SoakPlan, results: Path, dataset: str, lives: Mapping[Attempt, Sequence[Life]]
    ) -> Aftermath:
        published = [RunRecord.read(path) for path in results.glob(f"{dataset}/*/*/run.json")]
        kept = [RunRecord.read(path) for path in results.glob("attempts/*/*/run.json")]
        return cls(plan, results, dataset, published, kept, lives)

    def lost_or_doubled(self) -> Iterator[str]:
        """Every job is published exactly once, but for those that fail by design."""
        wanted = set(self.plan.seeds) - set(self.plan.failing)
        counts = Counter(record.seed for record in self.published)
        for seed in sorted(wanted ^ set(counts)):
            yield f"seed {seed}: {'published' if seed in counts else 'not published'}"
        for seed, count in counts.items():
            if count > 1:
                yield f"seed {seed}: published {count} times"
        folders = list(self.results.glob(f"{self.dataset}/*/*"))
        if len(folders) != len(self.published):
            yield f"{len(folders)} run folders, {len(self.published)} records"
        with (self.results / "runs.csv").open(newline="") as stream:
            listed = Counter(row["state"] for row in csv.DictReader(stream))
        if listed != Counter(complete=len(wanted), failed=len(self.plan.failing)):
            yield f"runs.csv lists {dict(listed)}"

    def wrong_endings(self) -> Iterator[str]:
        """Attempts that did not end as their job or a fault has it."""
        for record in self.kept:
            allowed = set(FAULTS)
            if record.seed in self.plan.failing:
                allowed.add(Cause.MODEL_ERROR)
            if record.seed in self.plan.hungry:
                allowed.add(Cause.OUT_OF_MEMORY)
            if record.cause not in allowed:
                yield f"{_name(record)}: {record.state}, {record.cause}: {record.message}"
        for seed in self.plan.failing:
            yield from self._wrong_failure(seed)
        for record in self.published:
            if record.seed in self.plan.hungry and not self._had_more(record):
                yield f"{_name(record)}: published without having been given more memory"

    def _wrong_failure(self, seed: int) -> Iterator[str]:
        """A job that fails by design has failed at last, and each time in the same way."""
        attempts = sorted(
            (record for record in self.kept if record.seed == seed), key=lambda item: item.attempt
        )
        if not attempts or attempts[-1].cause is not Cause.MODEL_ERROR:
            yield f"seed {seed}: its last attempt is no failure of the model"
            return
        for record in attempts:
            # What a container prints while its daemon is dead is lost with it, also by Docker.
            short = "seed" not in record.message and record is not attempts[-1]
            if record.cause is Cause.MODEL_ERROR and (
                record.state is not RunState.FAILED
                or record.exit_code != EXIT_CODE
                or not (short or f"seed {seed} fails, always" in record.message)
            ):
                yield f"{_name(record)}: failed in another way: {record.message}"

    def _had_more(self, record: RunRecord) -> bool:
        earlier = any(
            other.run_id == record.run_id and other.cause is Cause.OUT_OF_MEMORY
            for other in self.kept
        )
        return earlier and (record.limits["memory"] or 0) > MEMORY_MIB * 1024**2

    def unexplained_starts(self) -> Iterator[str]:
        """Containers that no published run and no recorded failure accounts for."""
        complete = {record.run_id: record.attempt for record in self.published}
        recorded = {(record.run_id, record.attempt) for record in (*self.published, *self.kept)}
        for (run_id, number), lives in sorted(self.lives.items()):
            if len(lives) > 1:
                yield f"{run_id} attempt {number}: started {len(lives)} times"
            if number > complete.get(run_id, number):
                yield f"{run_id} attempt {number}: started although the run was complete"
            if (run_id, number) not in recorded:
                yield f"{run_id} attempt {number}: started, and nothing tells of it"
        for run_id, number in complete.items():
            if (run_id, number) not in self.lives:
                yield f"{run_id} attempt {number}: published, and its container never started"

    def left_over(self) -> Iterator[str]:
        """Files that no reader of a results folder wants."""
        for path in self.results.iterdir():
            if path.name not in TOP | {self.dataset}:
                yield str(path)
        for path in self.results.glob("attempts/*"):
            if not path.is_dir() or not any(path.iterdir()):
                yield str(path)
        for attempt in self.results.glob("attempts/*/*"):
            if not (attempt / "run.json").is_file():
                yield f"{attempt} without a record"
            yield from (str(path) for path in attempt.iterdir() if path.name not in KEPT)
            yield from (str(path) for path in attempt.glob("output/.*"))

    def seconds(self, restarts: Sequence[float]) -> tuple[float, float]:
        """What containers computed, and how much of that faults took away."""
        lost = {(record.run_id, record.attempt) for record in self.kept if record.cause in FAULTS}
        total = {
            attempt: sum(life.seconds(restarts) for life in lives)
            for attempt, lives in self.lives.items()
        }
        return sum(total.values()), sum(total[attempt] for attempt in lost & set(total))


def _name(record: RunRecord) -> str:
    return f"seed {record.seed} ({record.run_id}) attempt {record.attempt}"


def disorderly(runners: Iterable[Runner]) -> Iterator[str]:
    """Runners that ended as none may, or that broke."""
    for number, runner in enumerate(runners):
        code, said = runner.process.returncode, runner.err.read_text()
        if not runner.struck and code not in ORDERLY:
            yield f"runner {number} ended with {code}: {said[-500:]}"
        if re.search(r"^Traceback|^Exception in thread", said, re.MULTILINE):
            yield f"runner {number} ({code}): {said[-1500:]}"


def processes(variable: str, value: str) -> Iterator[str]:
    """Processes that were started with that value of an environment variable."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(variable) == value:
                yield f"process {process.pid}: {' '.join(process.cmdline())}"
        except psutil.Error:  # it has just ended
            continue
