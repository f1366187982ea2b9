"""A runner is killed with SIGKILL: the next command loses nothing, and runs nothing twice."""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path

import docker
import pytest

from multiverse.engines.docker import DockerEngine
from multiverse.engines.local import LocalEngine, scratch_prefix
from multiverse.engines.protocol import Engine
from multiverse.facts import Cause, RunState
from multiverse.runner.prepared import owner_labels
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from tests.conftest import kept_attempts, published_runs
from tests.faults.conftest import Bench

pytestmark = pytest.mark.docker


def containers(bench: Bench) -> list[str]:
    label = f"multiverse.results={bench.results.resolve()}"
    found = docker.from_env().containers.list(
        all=True, filters={"label": label}, ignore_removed=True
    )
    return [str(container.id) for container in found]


def assert_nothing_is_left(bench: Bench, engine: Engine | None = None) -> None:
    """No container, process, lock, temporary file or attempt without a record."""
    labels = owner_labels(ResultsFolder(bench.results))
    assert (engine or DockerEngine()).orphans(labels) == []
    assert not list(bench.results.glob("attempts/*.lock"))
    assert not [path for path in bench.results.rglob(".*") if path.name != ".multiverse.lock"]
    for attempt in bench.results.glob("attempts/*/*"):
        assert (attempt / "run.json").is_file(), attempt
        assert not (attempt / "started.json").exists()
    assert not list(Path(tempfile.gettempdir()).glob(scratch_prefix(labels) + "*"))


def test_a_job_that_still_runs_is_waited_for(bench: Bench) -> None:
    command = bench.command("until_told")
    runner = bench.start(command)
    bench.begun(runner)
    begun = time.monotonic()
    (container,) = containers(bench)
    bench.kill(runner)
    second = bench.start(command)
    bench.read_until(second, "taken over")
    seconds = time.monotonic() - begun
    printed = bench.end(second)
    assert second.returncode == 0, printed
    (run,) = published_runs(bench.results)
    assert run.attempt == 1
    assert run.usage.wall_seconds > seconds, "of its whole life"
    assert run.usage.peak_memory_bytes is None, "nobody saw all of it"
    log = bench.results / run.dataset / run.model / run.run_id / "container.log"
    assert log.read_text().startswith("epoch 1\n"), "the whole log"
    assert container not in containers(bench)
    assert_nothing_is_left(bench)


def test_a_job_that_ended_meanwhile_is_published(bench: Bench) -> None:
    runner = bench.start(bench.command("until_told", "fail"))
    bench.begun(runner)
    bench.kill(runner)
    bench.tell()
    client = docker.from_env()
    bench.until(lambda: all(client.containers.get(i).status == "exited" for i in containers(bench)))
    code, printed = bench.run(bench.command("until_told"))
    assert code == 0, printed
    assert "left by a runner that was killed" in printed
    assert "taken over" not in printed, "nothing of it runs any more"
    assert "already complete" in printed
    (run,) = published_runs(bench.results)
    assert run.attempt == 1
    assert_nothing_is_left(bench)


def test_what_nobody_asks_for_any_more_is_stopped_and_kept(bench: Bench) -> None:
    runner = bench.start(bench.command("sleep", amount=300))
    bench.begun(runner)
    bench.kill(runner)
    code, printed = bench.run(bench.command("good"))
    assert code == 0, printed
    (kept,) = kept_attempts(bench.results)
    assert (kept.state, kept.cause) == (RunState.CANCELLED, Cause.INTERRUPTED)
    assert list(bench.results.glob("attempts/*/1/container.log"))
    assert_nothing_is_left(bench)


def test_a_model_error_meanwhile_is_a_model_error(bench: Bench) -> None:
    runner = bench.start(bench.command("until_told_and_fail"))
    bench.begun(runner)
    bench.kill(runner)
    bench.tell()
    client = docker.from_env()
    bench.until(lambda: all(client.containers.get(i).status == "exited" for i in containers(bench)))
    bench.run(bench.command("good"))
    (kept,) = kept_attempts(bench.results)
    assert (kept.cause, kept.exit_code) == (Cause.MODEL_ERROR, 1)
    assert "no such thing" in kept.message
    assert_nothing_is_left(bench)


@pytest.mark.parametrize("delay", [0.0, 0.3, 0.6, 1.2])
def test_killed_at_any_moment(bench: Bench, delay: float) -> None:
    command = bench.command("good", "extra", "locked_up", "sleep", amount=1, more=("-j", "2"))
    runner = bench.start(command)
    bench.until(lambda: list(bench.results.glob("attempts/*/*/started.json")) != [], runner)
    time.sleep(delay)
    bench.kill(runner)
    code, printed = bench.run(command)
    assert code == 0, printed
    assert len(published_runs(bench.results)) == 4
    assert "Traceback" not in printed
    assert_nothing_is_left(bench)


def test_a_second_signal_ends_at_once_and_leaves_nothing(bench: Bench) -> None:
    runner = bench.start(bench.command("stubborn", amount=300))
    bench.until(lambda: containers(bench) != [], runner)
    time.sleep(2)
    runner.send_signal(signal.SIGINT)
    time.sleep(1)
    printed = bench.kill(runner, signal.SIGINT)
    assert runner.returncode in (130, -signal.SIGINT), printed
    assert containers(bench) == []
    code, printed = bench.run(bench.command("good"))
    assert code == 0, printed
    assert_nothing_is_left(bench)


def test_the_local_engine_ends_what_was_left_and_runs_it_again(local_bench: Bench) -> None:
    bench = local_bench
    command = bench.command("sleep", amount=4)
    runner = bench.start(command)
    bench.begun(runner)
    bench.kill(runner)
    code, printed = bench.run(command)
    assert code == 0, printed
    (run,) = published_runs(bench.results)
    assert run.attempt == 2
    (kept,) = kept_attempts(bench.results)
    assert kept.cause is Cause.INTERRUPTED
    assert_nothing_is_left(bench, LocalEngine())


def test_attempts_are_listed_once_a_run(bench: Bench) -> None:
    """What is complete at last is complete, whatever went before."""
    runner = bench.start(bench.command("sleep", amount=300))
    bench.begun(runner)
    bench.kill(runner, signal.SIGTERM)
    (run,) = Results.open(bench.results).runs
    assert run.record.state is RunState.CANCELLED
