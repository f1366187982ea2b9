"""Runners as processes of their own, so that they can be killed; and a Docker daemon likewise."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

import multiverse
from tests.conftest import TEST_MODELS, docker_or_skip, write_small
from tests.engine.conftest import _naughty_environment, _naughty_image
from tests.faults.daemon import PATH, Daemon

__all__ = ["_naughty_environment", "_naughty_image"]
#: Long enough for a loaded machine; nothing is asserted about how long a thing takes.
PATIENCE_SECONDS = 120


@dataclass
class Bench:
    """A dataset, a results folder, and runners that work on it with the misbehaving model."""

    folder: Path
    engine: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def command(self, *behaviours: str, amount: float = 0, more: tuple[str, ...] = ()) -> list[str]:
        """``multiverse run`` of a benchmark file: a job for each behaviour."""
        path = self.folder / f"{'-'.join(behaviours)}-{amount:g}.yaml"
        sets = "".join(f"      - {{behaviour: {name}, amount: {amount}}}\n" for name in behaviours)
        path.write_text(f"datasets: [small]\nmodels:\n  - model: naughty\n    parameters:\n{sets}")
        return [
            sys.executable, "-m", "multiverse.runner.cli", str(path),
            "--output", str(self.results), "--models-dir", str(TEST_MODELS),
            "--engine", self.engine, *more,
        ]  # fmt: skip

    def start(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **self.environment, "PYTHONUNBUFFERED": "1"},
            # A shell ignores Ctrl-C for what it starts in the background, as would the runner.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, command: list[str]) -> tuple[int, str]:
        """Run to the end: exit code and everything that was printed."""
        runner = self.start(command)
        printed, _ = runner.communicate(timeout=PATIENCE_SECONDS)
        return runner.returncode, printed

    def begun(self, runner: subprocess.Popen[str], jobs: int = 1) -> None:
        """Wait until so many models have reported their first epoch."""
        self.until(
            lambda: sum((path / "metrics.jsonl").exists() for path in self._outputs()) >= jobs,
            runner,
        )

    def tell(self) -> None:
        """Tell the models of all attempts that they have trained enough."""
        for output in self._outputs():
            with suppress(OSError):  # it has been published meanwhile
                (output / "enough").touch()

    def _outputs(self) -> list[Path]:
        """Return the output folders of all attempts; looks again while one is being published."""
        while True:
            with suppress(FileNotFoundError):
                return list(self.results.glob("attempts/*/*/output"))

    def end(self, runner: subprocess.Popen[str]) -> str:
        """Tell every model, also of attempts to come, until the runner has ended; what it said."""
        with ThreadPoolExecutor(1) as reader:
            printed = reader.submit(runner.communicate, timeout=PATIENCE_SECONDS)
            while not printed.done():
                self.tell()
                time.sleep(0.1)
            return printed.result()[0]

    def read_until(self, runner: subprocess.Popen[str], words: str) -> str:
        """Read what a runner says up to the line that holds these words."""
        assert runner.stdout is not None
        lines: list[str] = []
        for line in runner.stdout:
            lines.append(line)
            if words in line:
                return "".join(lines)
        pytest.fail(f"the runner ended without {words!r}: {''.join(lines)}")

    def until(self, true: Callable[[], bool], runner: subprocess.Popen[str] | None = None) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if true():
                return
            if runner is not None and runner.poll() is not None:
                pytest.fail(f"the runner ended: {runner.communicate()[0]}")
            time.sleep(0.1)
        pytest.fail("it never happened")

    def kill(self, runner: subprocess.Popen[str], number: int = signal.SIGKILL) -> str:
        runner.send_signal(number)
        printed, _ = runner.communicate(timeout=PATIENCE_SECONDS)
        return printed


@pytest.fixture
def bench(tmp_path: Path, _naughty_image: None) -> Bench:
    """On the machine's Docker daemon."""
    write_small(tmp_path / "small.h5ad")
    multiverse.register(tmp_path / "small.h5ad", slug="small")
    return Bench(tmp_path, "docker")


@pytest.fixture
def local_bench(tmp_path: Path, _naughty_environment: None) -> Bench:
    """On the embedded engine."""
    write_small(tmp_path / "small.h5ad")
    multiverse.register(tmp_path / "small.h5ad", slug="small")
    return Bench(tmp_path, "local")


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory, _naughty_image: None) -> Iterator[Daemon]:
    """A daemon with the misbehaving model's image."""
    docker_or_skip()
    if shutil.which("dockerd", path=PATH) is None or os.geteuid() != 0:
        pytest.skip("a Docker daemon of its own needs dockerd and root")
    # A socket's path may be 107 bytes long, and pytest's folders are long.
    folder = Path("/tmp") / f"mv-daemon-{os.getpid()}"
    folder.mkdir(mode=0o700)
    running = Daemon(folder)
    running.start()
    try:
        archive = tmp_path_factory.mktemp("image") / "image.tar"
        image = "multiverse-test-naughty:1.0.0"
        save = ["docker", "save", "--output", str(archive), image]
        subprocess.run(save, check=True)
        loaded = running.docker("load", "--input", str(archive))
        assert loaded.returncode == 0, loaded.stderr
        archive.unlink()
        yield running
    finally:
        running.remove()


@pytest.fixture
def own_daemon(daemon: Daemon, bench: Bench) -> Iterator[Daemon]:
    """The daemon, answering, and the bench's runners use it."""
    bench.environment["DOCKER_HOST"] = daemon.host
    yield daemon
    if not daemon.answers():
        daemon.start()
    for container in daemon.containers():
        daemon.docker("rm", "--force", container)
