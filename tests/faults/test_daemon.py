"""The Docker daemon is restarted, killed or missing while jobs run. It is a real one."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from multiverse.facts import Cause
from tests.conftest import kept_attempts, published_runs
from tests.faults.conftest import Bench
from tests.faults.daemon import Daemon

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_of_the_daemon_costs_no_job(
    bench: Bench, own_daemon: Daemon, number: signal.Signals
) -> None:
    command = bench.command("sleep", "good", amount=6, more=("-j", "1"))
    runner = bench.start(command)
    bench.begun(runner)
    own_daemon.stop(number)
    time.sleep(1)
    own_daemon.start()
    printed, _ = runner.communicate(timeout=120)
    assert runner.returncode == 0, printed
    runs = published_runs(bench.results)
    assert len(runs) == 2, printed
    causes = {run.cause for run in kept_attempts(bench.results)}
    assert causes <= {Cause.ENGINE_LOST, Cause.KILLED}, printed
    assert own_daemon.containers() == []
    assert not list(bench.results.glob("attempts/*.lock"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_daemon_that_is_away_when_a_run_becomes_free_is_waited_for(
    bench: Bench, own_daemon: Daemon, number: signal.Signals
) -> None:
    """The second runner takes over from the first, which was killed together with the daemon.

    The job was lost with them, or runs on: it is run again, or taken over.
    """
    command = bench.command("until_told")
    first = bench.start(command)
    bench.begun(first)
    second = bench.start(command)
    bench.read_until(second, f"process {first.pid} on")
    bench.kill(first)
    own_daemon.stop(number)
    waiting = bench.read_until(second, "no Docker daemon answers: it is waited for")
    own_daemon.start()
    printed = bench.end(second)
    assert second.returncode == 0, (waiting, printed)
    assert len(published_runs(bench.results)) == 1
    assert own_daemon.containers() == []
    assert not list(bench.results.glob("attempts/*.lock"))


def test_runner_and_daemon_are_killed_as_by_a_power_cut(bench: Bench, own_daemon: Daemon) -> None:
    command = bench.command("sleep", "good", amount=5, more=("-j", "1"))
    runner = bench.start(command)
    bench.begun(runner)
    bench.kill(runner)
    own_daemon.cut_power()
    own_daemon.start()
    code, printed = bench.run(command)
    assert code == 0, printed
    assert len(published_runs(bench.results)) == 2
    assert own_daemon.containers() == []
    assert not list(bench.results.glob("attempts/*.lock"))


def test_a_daemon_that_is_not_there_is_said_before_anything_starts(
    bench: Bench, own_daemon: Daemon
) -> None:
    own_daemon.stop()
    code, printed = bench.run(bench.command("good"))
    own_daemon.start()
    assert code == 4
    assert "no Docker daemon answers" in printed
    assert not bench.results.exists()


def test_a_container_that_somebody_kills_is_run_again(bench: Bench, own_daemon: Daemon) -> None:
    runner = bench.start(bench.command("sleep", amount=3))
    bench.begun(runner)
    (container,) = own_daemon.containers()
    own_daemon.docker("kill", container)
    printed, _ = runner.communicate(timeout=120)
    assert runner.returncode == 0, printed
    (run,) = published_runs(bench.results)
    assert run.attempt == 2
    (kept,) = kept_attempts(bench.results)
    assert kept.cause is Cause.KILLED


def test_a_container_that_somebody_removes_is_run_again(bench: Bench, own_daemon: Daemon) -> None:
    runner = bench.start(bench.command("sleep", amount=3))
    bench.begun(runner)
    (container,) = own_daemon.containers()
    own_daemon.docker("rm", "--force", container)
    printed, _ = runner.communicate(timeout=120)
    assert runner.returncode == 0, printed
    (kept,) = kept_attempts(bench.results)
    assert kept.cause in (Cause.ENGINE_LOST, Cause.KILLED)


def _bridge() -> tuple[bool, str]:
    """Whether the bridge of the machine's own daemon is there, and its network as that knows it."""
    command = ["docker", "network", "inspect", "--format", "{{.Id}} {{.IPAM.Config}}", "bridge"]
    network = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return Path("/sys/class/net/docker0").exists(), network


def test_the_machines_daemon_is_as_before(daemon: Daemon) -> None:
    """One without a bridge removes ``docker0`` of whoever shares its network."""
    before = _bridge()
    folder = Path(f"{daemon.folder}-2")  # a socket's path may not be long
    folder.mkdir(mode=0o700)
    other = Daemon(folder)
    try:
        other.start()
        assert _bridge() == before
    finally:
        other.remove()
    assert _bridge() == before
