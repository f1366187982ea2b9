"""What starting each image costs: a container that does nothing, Python, and the model's imports.

Every image imports its model's modules, and the library that the model loads when it runs, as a job
is confined: no network, read-only root, an unknown user, caches copied to tmpfs. ``-X importtime``
says which modules take the time (self time, added up by top-level package), and numba's own event
``numba:compile`` whether anything was compiled that the image should have brought.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from multiverse.images.docker_cli import DockerCli, find_docker
from multiverse.registry.models import list_models

RESULTS = Path(__file__).resolve().parent / "results" / "startup.json"
CONFINED = ("--network", "none", "--read-only", "--tmpfs", "/tmp", "--user", "12345:54321")  # noqa: S108
#: What a job of the model loads besides the worker. Models that are not named load nothing more.
LIBRARIES = {
    "mofa": "mofapy2.run.entry_point",
    "multivi": "scvi.model",
    "totalvi": "scvi.model",
    "mowgli": "mowgli.models",
    "cobolt": "torch",
}
_LINE = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)", re.MULTILINE)
PROGRAM = """
from multiverse.worker.caches import writable_caches
with writable_caches():
    from numba.core import event
    with event.install_recorder("numba:compile") as recorder:
        import importlib
        for name in {names!r}:
            importlib.import_module(name)
print("compiled", len(recorder.buffer) // 2)
"""


def run(docker: DockerCli, tag: str, *command: str) -> tuple[float, str]:
    """Wall seconds and output of a confined container."""
    started = time.monotonic()
    arguments = ["run", "--rm", *CONFINED, "--entrypoint", command[0], tag, *command[1:]]
    done = subprocess.run(
        [str(docker.path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        env=docker.environ,
    )
    return time.monotonic() - started, done.stdout


def by_package(output: str) -> dict[str, float]:
    """Seconds of import by top-level package, the ten slowest first."""
    spent: Counter[str] = Counter()
    for microseconds, module in _LINE.findall(output):
        spent[module.partition(".")[0]] += int(microseconds)
    return {name: round(us / 1e6, 2) for name, us in spent.most_common(10)}


def measure(docker: DockerCli, name: str, tag: str, repetitions: int) -> dict[str, object]:
    """The figures of one image."""
    names = [f"multiverse.models.{name}.__main__"]
    names += [LIBRARIES[name]] if name in LIBRARIES else []
    program = PROGRAM.format(names=names)
    empty, python, imports = [], [], []
    for _ in range(repetitions):
        empty.append(run(docker, tag, "true")[0])
        python.append(run(docker, tag, "python", "-c", "pass")[0])
        seconds, output = run(docker, tag, "python", "-c", program)
        imports.append(seconds)
    compiled = int(output.rpartition("compiled")[2])
    _, traced = run(docker, tag, "python", "-X", "importtime", "-c", program)
    return {
        "container_seconds": round(statistics.median(empty), 2),
        "python_seconds": round(statistics.median(python), 2),
        "imports_seconds": round(statistics.median(imports), 2),
        "imports_over_python": round(statistics.median(imports) / statistics.median(python), 1),
        "compiled_functions": compiled,
        "import_seconds_by_package": by_package(traced),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3, metavar="N")
    arguments = parser.parse_args()
    docker = find_docker()
    images = {
        model.image_tag: measure(docker, model.name, model.image_tag, arguments.repetitions)
        for model in list_models([])
    }
    content = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "images": images}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(content, indent=2))
    return int(any(entry["compiled_functions"] for entry in images.values()))


if __name__ == "__main__":
    sys.exit(main())
