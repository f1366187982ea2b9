"""The Docker daemon hangs, and everything is to end: it does, and what may be left is said."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from multiverse.engines.docker import DockerEngine
from multiverse.facts import Cause
from multiverse.runner.prepared import owner_labels
from multiverse.runs.folder import ResultsFolder
from tests.conftest import kept_attempts, published_runs
from tests.faults.conftest import Bench
from tests.faults.hung_daemon import SOCKET, HungDaemon

pytestmark = pytest.mark.docker


@pytest.fixture
def short_folder(bench: Bench) -> Iterator[Path]:
    """A place for a socket, whose path may be 107 bytes long; no container is left of its runs."""
    if not SOCKET.is_socket():
        pytest.skip(f"the daemon is not at {SOCKET}")
    with tempfile.TemporaryDirectory(prefix="mv-") as name:
        yield Path(name)
    DockerEngine().sweep(owner_labels(ResultsFolder(bench.results)))


def left(bench: Bench) -> list[str]:
    label = f"multiverse.results={bench.results.resolve()}"
    found = docker.from_env().containers.list(
        all=True, filters={"label": label}, ignore_removed=True
    )
    return [str(container.id) for container in found]


@pytest.mark.parametrize(
    ("words", "signals"),
    [(b"/kill", 1), (b"/kill", 2), (b"DELETE ", 1), (b"/create", 1), (b"/start", 2)],
)
def test_a_daemon_that_hangs_does_not_hold_what_is_to_end(
    bench: Bench, short_folder: Path, words: bytes, signals: int
) -> None:
    """When a container is made, started, stopped or removed; with one request to end, or two."""
    with HungDaemon(short_folder, words) as daemon:
        bench.environment["DOCKER_HOST"] = daemon.host
        runner = bench.start(bench.command("sleep", amount=600))
        if words in (b"/create", b"/start"):
            bench.until(daemon.hangs.is_set, runner)
        else:
            bench.begun(runner)
        for _ in range(signals):
            runner.send_signal(signal.SIGTERM)
            bench.until(daemon.hangs.is_set)
        printed, _ = runner.communicate(timeout=120)
    assert runner.returncode == 130 or signals == 2, printed
    assert "Traceback" not in printed
    if signals == 1 and words != b"DELETE ":
        assert "the Docker daemon does not answer" in printed
    del bench.environment["DOCKER_HOST"]
    if words == b"/kill" and signals == 1:
        (container,) = left(bench)
        assert f"docker rm --force {container[:12]}" in printed
        (record,) = kept_attempts(bench.results)
        assert record.cause is Cause.CANCELLED
        assert record.message.startswith("stopped on request; the Docker daemon does not answer")
    code, printed = bench.run(bench.command("good"))
    assert code == 0, printed
    assert len(published_runs(bench.results)) == 1
    assert left(bench) == [], "the next run has removed what was left"
