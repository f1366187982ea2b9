"""Eight one-CPU jobs of unequal length on two cores, beside the ideal schedule of the same work.

The jobs count to a number, which is calibrated to seconds on this machine. The ideal is computed
from what each takes by ``docker run`` in the same sandbox, two at a time: longest first, without a
gap. ``multiverse run`` is given the jobs with the longest one last: once without a history of past
runs, where no schedule can know that, once with the history that this first command has left.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from datasets import SimulatedDataset
from measure import MULTIVERSE, Timings, clean_environment, show, timed
from report import Target, conclude
from trivial_model import MEMORY, TrivialModel

from multiverse.engines.docker import PIDS_LIMIT, TMPFS_SIZE

NAME = "counting"
DOCKERFILE = """\
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}
COPY prepared /prepared
COPY job.sh /job.sh
ENTRYPOINT ["sh", "/job.sh"]
"""
JOB = """\
set -eu
work=$(sed -n 's/.*"work": *\\([0-9]*\\).*/\\1/p' /output/job_spec.json)
python -c "for _ in range($work): pass"
cp /prepared/* /output/
"""
PARAMETERS = "{type: object, properties: {work: {type: integer, default: 0}}}"
CORES = 2
#: Seconds of each job on an idle machine, in the order in which the benchmark file has them.
LENGTHS = (10, 6, 18, 8, 22, 14, 12, 26)
CALIBRATION = 50_000_000
CELLS = 60


def makespan(seconds: Iterable[float], cores: int = CORES) -> float:
    """When the last job ends, if each in turn goes to the core that is free first."""
    ends = [0.0] * cores
    for job in seconds:
        heapq.heapreplace(ends, ends[0] + job)
    return max(ends)


@dataclass
class Setting:
    """What both sides run: one image, one dataset, the amounts of work."""

    model: TrivialModel
    dataset: SimulatedDataset
    environment: dict[str, str]
    scratch: Path
    works: Sequence[int] = ()
    #: Of each round by ``docker run``: seconds of the jobs, in the order of the file.
    bare_jobs: list[list[float]] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def calibrate(self) -> None:
        """Find the amounts of work: seconds of a long count, less those of a short one."""
        rate = CALIBRATION / (self._docker_run(CALIBRATION) - self._docker_run(0))
        self.works = [round(length * rate) for length in LENGTHS]

    def ideal(self) -> float:
        """Seconds of the ideal schedule of the bare jobs, which take turns two at a time."""
        longest_first = sorted(range(len(self.works)), key=lambda number: -self.works[number])
        with ThreadPoolExecutor(CORES) as pool:
            taken = pool.map(lambda number: self._docker_run(self.works[number]), longest_first)
            seconds = dict(zip(longest_first, taken, strict=True))
        self.bare_jobs.append([seconds[number] for number in range(len(self.works))])
        self.loads.append(os.getloadavg()[0])
        return makespan(sorted(seconds.values(), reverse=True))

    def forget(self) -> float:
        """Wall seconds of ``multiverse run`` without a history."""
        Path(self.environment["MULTIVERSE_CACHE"], "history.jsonl").unlink(missing_ok=True)
        return self.run()

    def run(self) -> float:
        """Wall seconds of ``multiverse run`` with whatever history there is."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            sets = [{"work": work} for work in self.works]
            file, output = Path(folder, "benchmark.yaml"), Path(folder, "results")
            entry = {"model": NAME, "parameters": sets}
            file.write_text(json.dumps({"datasets": [self.dataset.slug], "models": [entry]}))
            seconds = timed(
                [
                    MULTIVERSE, "run", str(file), "--engine", "docker", "--no-build",
                    "--models-dir", str(self.model.folder), "--output", str(output),
                    "--cpus", str(CORES),
                ],
                self.environment,
            )  # fmt: skip
            assert len(list(output.glob(f"{self.dataset.slug}/*/*/run.json"))) == len(LENGTHS)
        self.loads.append(os.getloadavg()[0])
        return seconds

    def _docker_run(self, work: int) -> float:
        """Wall seconds of one container in the sandbox of the engine ``docker``."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as output:
            Path(output, "job_spec.json").write_text(json.dumps({"work": work}))
            memory = MEMORY.removesuffix("iB").lower()
            command = [
                "docker", "run", "--rm", "--init", "--network", "none", "--read-only",
                "--user", f"{os.getuid()}:{os.getgid()}", "--cap-drop", "ALL",
                "--security-opt", "no-new-privileges:true",
                "--tmpfs", f"/tmp:rw,nosuid,nodev,mode=1777,size={TMPFS_SIZE}",  # noqa: S108
                "--memory", memory, "--memory-swap", memory,
                "--cpus", "1", "--pids-limit", str(PIDS_LIMIT),
                "--mount", f"type=bind,source={output},target=/output",
                "--mount", f"type=bind,source={self.dataset.data},target=/input/data.h5mu,readonly",
                self.model.image,
            ]  # fmt: skip
            return timed(command)


def write_model(folder: Path, data: Path) -> TrivialModel:
    """A model that counts as far as its parameter ``work`` says."""
    model = TrivialModel.write(folder / NAME, data)
    (model.folder / "Dockerfile").write_text(DOCKERFILE)
    (model.folder / "job.sh").write_text(JOB)
    description = model.folder / "model.yaml"
    plain = "{type: object, properties: {}}"
    assert plain in description.read_text()
    description.write_text(description.read_text().replace(plain, PARAMETERS))
    return model


def busy_before(seconds: float = 10.0) -> float:
    """How many cores other work uses on average, before any of ours runs."""

    def busy() -> float:
        fields = [int(text) for text in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        idle = fields[3] + fields[4]
        return (sum(fields[:8]) - idle) / os.sysconf("SC_CLK_TCK")

    began, before = time.monotonic(), busy()
    time.sleep(seconds)
    return (busy() - before) / (time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory(prefix="multiverse-benchmark-") as folder:
        scratch = Path(folder)
        environment = clean_environment(scratch / "home")
        environment["MULTIVERSE_CACHE"] = str(scratch / "cache")
        dataset = SimulatedDataset.registered(CELLS, scratch, environment)
        model = write_model(scratch / "models", dataset.data)
        model.build(environment)
        setting = Setting(model, dataset, environment, scratch)
        before = busy_before()
        setting.calibrate()
        show(f"{before:.2f} cores are used by other work; jobs count to {setting.works}")
        rounds = _take_turns(setting, repetitions)
    after = busy_before()
    return _conclude(setting, rounds, (before, after))


def _take_turns(setting: Setting, repetitions: int) -> dict[str, list[float]]:
    """Each round: without a history, then with the one that this has left; the ideal before or
    after both, so that a drift of the machine meets all alike.
    """
    taken: dict[str, list[float]] = {"ideal": [], "without history": [], "with history": []}
    cases: dict[str, Callable[[], float]] = {
        "ideal": setting.ideal, "without history": setting.forget, "with history": setting.run
    }  # fmt: skip
    for number in range(repetitions):
        names = list(cases) if number % 2 == 0 else [*list(cases)[1:], "ideal"]
        for name in names:
            taken[name].append(cases[name]())
            show(f"  round {number + 1} of {repetitions}, {name}: {taken[name][-1]:.2f} s")
    return taken


def _conclude(setting: Setting, rounds: dict[str, list[float]], others: tuple[float, float]) -> int:
    taken = {name: Timings(tuple(seconds)) for name, seconds in rounds.items()}
    without = taken["without history"].over(taken["ideal"])
    blind = taken["without history"].over(Timings(tuple(map(makespan, setting.bare_jobs))))
    informed = taken["with history"].over(taken["ideal"])
    as_given = Timings(tuple(map(makespan, setting.bare_jobs))).over(taken["ideal"])
    targets = [
        Target("8 jobs on 2 cores, with history: multiverse run / ideal", informed.median, 1.1),
        Target("without history: multiverse run / that order at no cost", blind.median, 1.1),
    ]
    details = {
        "lengths_s": LENGTHS,
        "seconds": {name: [round(second, 2) for second in rounds[name]] for name in rounds},
        "ratios": {
            "with history": [round(ratio, 3) for ratio in informed.seconds],
            "without history": [round(ratio, 3) for ratio in without.seconds],
            "without history, to that order": [round(ratio, 3) for ratio in blind.seconds],
        },
        "order of the file, at no cost / ideal": round(as_given.median, 3),
        "bare_jobs_s": [[round(second, 2) for second in jobs] for jobs in setting.bare_jobs],
        "cores_used_by_other_work": {
            "before": round(others[0], 2), "after": round(others[1], 2)
        },
        "load_average": {"min": min(setting.loads), "max": max(setting.loads)},
    }  # fmt: skip
    return conclude("ideal_schedule", targets, details)


if __name__ == "__main__":
    sys.exit(main())
