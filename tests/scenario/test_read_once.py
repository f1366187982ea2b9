"""A whole run opens each record a few times, however much is made of the runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from multiverse.demo.simulation import write_simulation
from multiverse.runs.results import Results
from tests.conftest import docker_or_skip

#: The command, with every opening of a record in its process counted by its path.
COUNTED = """
import atexit, collections, json, os, sys
opened = collections.Counter()
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.fsdecode(arguments[0])
        if os.path.basename(path) == "run.json" and os.path.isabs(path):
            opened[path] += 1
sys.addaudithook(hook)
by_path = os.open
def open_in(path, flags, *more, dir_fd=None):
    if dir_fd is not None and path == "run.json" and not flags & os.O_PATH:
        opened[os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)] += 1
    return by_path(path, flags, *more, dir_fd=dir_fd)
os.open = open_in
atexit.register(lambda: open(sys.argv[1], "w").write(json.dumps(opened)))
from multiverse.cli.main import main
sys.exit(main(sys.argv[2:]))
"""
MOST = 3

Counted = Callable[[], Counter[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """A benchmark of two runs, scored, reported and copied to MLflow: run id → openings."""
    for step in ("EVALUATE", "REPORT", "MLFLOW"):
        monkeypatch.delenv(f"MULTIVERSE_NO_{step}")
    source, output, counts = (tmp_path / name for name in ("cells.h5mu", "results", "counts.json"))
    write_simulation(source, n_cells=160)
    command = [
        "run", "--models", "pca", "--input", source, "--batch-key", "batch", "--label-key",
        "cell_type", "--seeds", 0, 1, "--output", output, "--engine", "docker", "--json",
    ]  # fmt: skip

    def finished() -> Counter[str]:
        done = subprocess.run(
            [sys.executable, "-c", COUNTED, str(counts), *map(str, command)],
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        concluded = json.loads(done.stdout.splitlines()[-1])
        assert concluded["event"] == "concluded"
        assert concluded["problems"] == []
        content = json.loads(counts.read_text())
        opened = Counter[str]()
        for run in Results.open(output):
            for name, count in content.items():
                if name.startswith(str(output)) and run.record.run_id in name:
                    opened[run.record.run_id] += count
        assert len(opened) == 2
        return opened

    return finished


@pytest.mark.docker
def test_a_run_opens_each_record_at_most_three_times(run: Counted) -> None:
    docker_or_skip()
    assert max(run().values()) <= MOST
    assert max(run().values()) <= MOST, "and where there is nothing to do"
