"""Two runners on one results folder: each job is run once, and each is told of the other."""

from __future__ import annotations

import signal

import pytest

from tests.conftest import kept_attempts, published_runs
from tests.faults.conftest import Bench

pytestmark = pytest.mark.docker


def test_the_second_waits_for_what_the_first_holds(bench: Bench) -> None:
    command = bench.command("until_told")
    first = bench.start(command)
    bench.begun(first)
    second = bench.start(command)
    bench.read_until(second, f"process {first.pid} on")
    first_printed, printed = bench.end(first), bench.end(second)
    assert first.returncode == 0, first_printed
    assert second.returncode == 0, printed
    (run,) = published_runs(bench.results)
    assert run.attempt == 1
    assert not list(bench.results.glob("attempts/*"))


def test_they_share_what_is_to_be_done(bench: Bench) -> None:
    behaviours = ("good", "extra", "locked_up", "strange_names")
    command = bench.command(*behaviours, more=("-j", "1"))
    runners = [bench.start(command) for _ in range(2)]
    printed = [runner.communicate(timeout=120)[0] for runner in runners]
    assert [runner.returncode for runner in runners] == [0, 0], printed
    runs = published_runs(bench.results)
    assert [run.attempt for run in runs] == [1] * 4
    started = sum(text.count(": started") for text in printed)
    assert started == 4, printed
    assert len((bench.results / "runs.csv").read_text().splitlines()) == 5


def test_what_the_first_failed_at_is_not_tried_again_by_the_second(bench: Bench) -> None:
    command = bench.command("until_told_and_fail")
    first = bench.start(command)
    bench.begun(first)
    second = bench.start(command)
    bench.read_until(second, f"process {first.pid} on")
    bench.end(first)
    printed = bench.end(second)
    assert (second.returncode, first.returncode) == (1, 1), printed
    assert len(kept_attempts(bench.results)) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_second_goes_on_when_the_first_is_stopped(bench: Bench, number: signal.Signals) -> None:
    command = bench.command("until_told")
    first = bench.start(command)
    bench.begun(first)
    second = bench.start(command)
    bench.read_until(second, f"process {first.pid} on")
    bench.kill(first, number)
    rest = bench.end(second)
    assert second.returncode == 0, rest
    (run,) = published_runs(bench.results)
    assert run.attempt == (1 if number == signal.SIGKILL else 2), rest
    assert not list(bench.results.glob("attempts/*.lock"))
