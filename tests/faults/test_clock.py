"""A wall clock that jumps by days while a job runs: nothing ends early or late, nothing breaks."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from multiverse.facts import Cause
from tests.conftest import kept_attempts, published_runs
from tests.faults.conftest import Bench

DAY = 24 * 3600
#: Shifts what Python's clocks say by the seconds in a file, which may change at any time.
SHIM = """
import datetime, os, time
def _shift(real=open):
    with real(os.environ["TEST_CLOCK"]) as stream:
        return float(stream.read() or 0)
_time, _time_ns, _datetime = time.time, time.time_ns, datetime.datetime
class datetime_(_datetime):
    __slots__ = ()  # of the size that extensions expect
    @classmethod
    def now(cls, tz=None):
        return _datetime.fromtimestamp(_time() + _shift(), tz)
    @classmethod
    def utcnow(cls):
        return cls.now(datetime.timezone.utc).replace(tzinfo=None)
datetime_.__name__ = datetime_.__qualname__ = "datetime"
datetime.datetime = datetime_
time.time = lambda: _time() + _shift()
time.time_ns = lambda: _time_ns() + int(_shift() * 1e9)
"""


class Clock:
    """The wall clock of every command that a bench starts."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._file = bench.folder / "clock"
        shims = bench.folder / "shims"
        shims.mkdir()
        (shims / "sitecustomize.py").write_text(SHIM)
        self.jump(0)
        bench.environment.update(PYTHONPATH=str(shims), TEST_CLOCK=str(self._file))

    def stop(self) -> None:
        """Leave the commands to come the machine's own clock (pandas can't do with another)."""
        self._bench.environment.clear()

    def jump(self, days: float) -> None:
        self._file.write_text(str(days * DAY))


def tell(bench: Bench, *arguments: object) -> str:
    """What a command says that must succeed."""
    command = [sys.executable, "-m", "multiverse", *map(str, arguments)]
    code, said = bench.run(command)
    assert code == 0, said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("days", [5, -5])
def test_a_jump_in_the_middle_of_a_run(local_bench: Bench, days: int) -> None:
    bench, clock = local_bench, Clock(local_bench)
    runner = bench.start(
        bench.command("until_told", "good", more=("-j", "1", "--time-limit", "1h"))
    )
    bench.begun(runner)
    clock.jump(days)
    shown = tell(bench, "status", bench.results)
    assert "running" in shown
    assert "interrupted" not in shown
    assert "waiting" not in shown  # that is: nobody is at work
    watcher = bench.start(
        [sys.executable, "-m", "multiverse", "status", str(bench.results), "--watch"]
    )
    with pytest.raises(subprocess.TimeoutExpired):
        watcher.wait(3)
    printed = bench.end(runner)
    assert runner.returncode == 0, printed
    watched, _ = watcher.communicate(timeout=60)
    assert watcher.returncode == 0, watched
    runs = published_runs(bench.results)
    assert len(runs) == 2
    for run in runs:
        assert 0 <= run.usage.wall_seconds < DAY
        assert run.attempt == 1
    jumped = [run for run in runs if (run.finished_at < run.started_at) == (days < 0)]
    assert jumped or days > 0
    clock.stop()
    tell(bench, "report", bench.results)
    tell(bench, "runs", bench.results)
    tell(bench, "verify", bench.results)
    tell(bench, "show", runs[0].run_id, "--results", bench.results)
    code, again = bench.run(bench.command("until_told", "good", more=("--time-limit", "1h")))
    assert (code, "started" in again) == (0, False), again


@pytest.mark.docker
@pytest.mark.parametrize(("days", "limit"), [(5, "1h"), (-5, "20s")])
def test_a_job_that_is_taken_over_has_the_time_that_it_had(
    bench: Bench, days: int, limit: str
) -> None:
    """After a jump forward it is not over its time, after one backward it has none to gain."""
    clock = Clock(bench)
    command = bench.command("until_told", more=("--time-limit", limit))
    first = bench.start(command)
    bench.begun(first)
    bench.kill(first, signal.SIGKILL)
    clock.jump(days)
    second = bench.start(command)
    if days > 0:
        bench.read_until(second, "taken over")
        printed = bench.end(second)
        assert second.returncode == 0, printed
        (run,) = published_runs(bench.results)
        assert run.attempt == 1, printed
    else:
        printed, _ = second.communicate(timeout=120)
        assert second.returncode == 1, printed
        assert [run.cause for run in kept_attempts(bench.results)] == [Cause.TIME_LIMIT]


def test_results_of_a_clock_that_was_set_back_are_read(local_bench: Bench) -> None:
    """Records of the future, beside those of a command that is told another time."""
    bench, clock = local_bench, Clock(local_bench)
    clock.jump(400)
    code, said = bench.run(bench.command("good", "fail"))
    assert code == 1, said
    clock.stop()
    assert "failed" in tell_any(bench, "status", bench.results)
    tell(bench, "report", bench.results)
    code, said = bench.run(bench.command("good", "fail"))
    assert code == 1, said
    assert [run.attempt for run in published_runs(bench.results)] == [1]
    assert [run.attempt for run in kept_attempts(bench.results)] == [1, 2]


def tell_any(bench: Bench, *arguments: object) -> str:
    command = [sys.executable, "-m", "multiverse", *map(str, arguments)]
    _, said = bench.run(command)
    assert "Traceback" not in said
    return said
