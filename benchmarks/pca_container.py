"""What surrounds a real model's work: ``pca`` on 700 real cells in its container, with picture.

Three things are measured in one run. The wall time of the job (and of the whole command) against
the time that the model's process spends from its first line to its last, as ``run.log`` has it.
The seconds that this process spends on imports (``-X importtime``, sum of self times) and on
compilation (numba's own ``numba:compile`` timer). And those of ``import scanpy, umap`` in this
environment, with an empty cache of compiled code.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from measure import MULTIVERSE, clean_environment, show, timed
from report import Target, conclude

from multiverse.demo.real_rna import write_pbmc68k
from multiverse.registry.datasets import find_dataset
from multiverse.runs.record import RunRecord

SLUG = "pbmc68k"
IMAGE = "multiverse-pca:1.0.0"
IMPORT_LINE = re.compile(r"^import time:\s+(\d+) \|", re.MULTILINE)
COMPILE_LINE = re.compile(r"^compile seconds: ([\d.]+)$", re.MULTILINE)
#: Runs the model as the image does, and says how long numba compiled. The writable caches come
#: first, because numba reads where its cache is when it is imported.
TIMED_MODEL = """
import runpy
from multiverse.worker.caches import writable_caches
with writable_caches():
    from numba.core import event
    with event.install_recorder("numba:compile") as recorder:
        try:
            runpy.run_module("multiverse.models.pca", run_name="__main__")
        except SystemExit as end:
            assert not end.code, end.code
    begun = {}
    total = 0.0
    for moment, what in recorder.buffer:
        if what.is_start:
            begun.setdefault("at", moment)
            begun["depth"] = begun.get("depth", 0) + 1
        else:
            begun["depth"] -= 1
            if not begun["depth"]:
                total += moment - begun.pop("at")
print(f"compile seconds: {total:.3f}")
"""


@dataclass(frozen=True)
class Job:
    """Wall seconds of one run: of the command, of its container, and between its log's lines."""

    command: float
    container: float
    process: float
    folder: Path


def run_job(environment: dict[str, str], output: Path) -> Job:
    """Run ``pca`` by the command."""
    command = [MULTIVERSE, "run", "--models", "pca", "--dataset", SLUG, "--output", str(output)]
    wall = timed([*command, "--engine", "docker"], environment)
    (path,) = (output / SLUG / "pca").glob("*/run.json")
    container = RunRecord.read(path).usage.wall_seconds
    return Job(wall, container, _log_seconds(path.parent / "run.log"), path.parent)


def _log_seconds(log: Path) -> float:
    lines = log.read_text().splitlines()
    first, last = (datetime.fromisoformat(line.split()[0]) for line in (lines[0], lines[-1]))
    return (last - first).total_seconds()


def imports_and_compilation(job: Job, data: Path, scratch: Path) -> tuple[float, float]:
    """Seconds of the same job in the same image that go to imports, and to compilation."""
    with tempfile.TemporaryDirectory(dir=scratch) as output:
        Path(output, "job_spec.json").write_text((job.folder / "job_spec.json").read_text())
        command = [
            "docker", "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp",  # noqa: S108
            "--user", f"{os.getuid()}:{os.getgid()}", "--cpus", "2", "--memory", "4g",
            "--mount", f"type=bind,source={output},target=/output",
            "--mount", f"type=bind,source={data},target=/input/data.h5mu,readonly",
            "--entrypoint", "python", IMAGE, "-X", "importtime", "-c", TIMED_MODEL,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    (compiled,) = COMPILE_LINE.findall(done.stdout)
    return sum(map(int, IMPORT_LINE.findall(done.stderr))) / 1e6, float(compiled)


def cold_import(environment: dict[str, str], scratch: Path) -> float:
    """Wall seconds of ``import scanpy, umap`` with nothing compiled yet."""
    with tempfile.TemporaryDirectory(dir=scratch) as cache:
        variables = {**environment, "NUMBA_CACHE_DIR": cache}
        return timed([sys.executable, "-c", "import scanpy, umap"], variables)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    jobs, own, cold = [], [], []
    with tempfile.TemporaryDirectory(prefix="multiverse-benchmark-") as folder:
        scratch = Path(folder)
        environment = clean_environment(scratch / "home")
        source = write_pbmc68k(scratch / f"{SLUG}.h5ad")
        timed([MULTIVERSE, "register", str(source), "--label-key", "cell_type"], environment)
        data = find_dataset(SLUG, home=scratch / "home").data
        run_job(environment, scratch / "warm-up")
        for number in range(repetitions):
            jobs.append(run_job(environment, scratch / f"results-{number}"))
            own.append(imports_and_compilation(jobs[-1], data, scratch))
            cold.append(cold_import(environment, scratch))
            show(f"  round {number + 1}: {jobs[-1]}, imports and compilation {own[-1]}, {cold[-1]}")
    median = statistics.median
    targets = [
        Target("job / its process", median(job.container / job.process for job in jobs), 1.5),
        Target(
            "imports and compilation / cold import scanpy, umap",
            median(sum(mine) / theirs for mine, theirs in zip(own, cold, strict=True)),
            1,
        ),
    ]
    details = {
        "command_s": [round(job.command, 3) for job in jobs],
        "container_s": [round(job.container, 3) for job in jobs],
        "process_s": [round(job.process, 3) for job in jobs],
        "command / process": round(median(job.command / job.process for job in jobs), 3),
        "imports_s": [round(imports, 3) for imports, _ in own],
        "compilation_s": [round(compilation, 3) for _, compilation in own],
        "cold_import_s": [round(seconds, 3) for seconds in cold],
    }
    return conclude("pca_container", targets, details)


if __name__ == "__main__":
    sys.exit(main())
