"""The real command, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import docker_or_skip


@dataclass(frozen=True)
class Finished:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


Command = Callable[..., Finished]


@pytest.fixture
def multiverse_command(tmp_path: Path) -> Command:
    """``multiverse …`` in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()

    def run(*arguments: object, module: str = "multiverse", timeout: float = 600) -> Finished:
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=folder,
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(params=[pytest.param("docker", marks=pytest.mark.docker), "local"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """Each engine; docker's images are built by the first command that needs them."""
    if request.param == "docker":
        docker_or_skip()
    return str(request.param)
