"""Wall times of cases that take turns, so that a drift of the machine meets all of them alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: The commands of the environment that runs the benchmark.
BIN = Path(sys.executable).parent
MULTIVERSE = str(BIN / "multiverse")


@dataclass(frozen=True)
class Timings:
    """Wall seconds of one case, in the order in which they were taken."""

    seconds: tuple[float, ...]

    @property
    def minimum(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def over(self, other: Timings) -> Timings:
        """Ratios, pair by pair: each with the turn of the other case next to it."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return Timings(tuple(mine / theirs for mine, theirs in pairs))


def take_turns(
    cases: Mapping[str, Callable[[], float]], repetitions: int, *, warm_up: int = 1
) -> dict[str, Timings]:
    """Run each case once a round, ``repetitions`` rounds, after ``warm_up`` that don't count.

    A case returns its own wall seconds, so that what it prepares is left out. Every other round
    goes backwards, so that no case always follows the same one.
    """
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(-warm_up, repetitions):
        names = list(cases) if number % 2 == 0 else list(reversed(list(cases)))
        for name in names:
            seconds = cases[name]()
            if number >= 0:
                taken[name].append(seconds)
                show(f"  round {number + 1} of {repetitions}, {name}: {seconds:.3f} s")
    return {name: Timings(tuple(seconds)) for name, seconds in taken.items()}


def timed(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Wall seconds of a command, from its start to its end; its output if it fails."""
    started = time.perf_counter()
    done = subprocess.run(
        list(command),
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout}")
    return seconds


def clean_environment(home: Path) -> dict[str, str]:
    """The caller's variables, with a registry of our own, and byte code kept as users keep it.

    What follows a benchmark (scores, report, MLflow) is left out: the runner is measured.
    """
    variables = {name: text for name, text in os.environ.items() if name not in _DISTURBING}
    alone = {f"MULTIVERSE_NO_{step}": "1" for step in ("EVALUATE", "REPORT", "MLFLOW")}
    return {**variables, **alone, "MULTIVERSE_HOME": str(home)}


_DISTURBING = {
    "MULTIVERSE_ENGINE", "MULTIVERSE_MODELS", "PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME",
}  # fmt: skip


def show(line: str) -> None:
    """Progress, apart from the table that goes to standard output."""
    print(line, file=sys.stderr, flush=True)
