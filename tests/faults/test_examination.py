"""An output that takes long to look at: others don't wait for it, and a stop ends it at once."""

from __future__ import annotations

import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import multiverse
from multiverse.facts import Cause, RunState
from tests.conftest import kept_attempts, published_runs, write_small
from tests.faults.conftest import PATIENCE_SECONDS, Bench

EXAMINER = "multiverse.contract.examiner"


@pytest.fixture
def wide_bench(tmp_path: Path, _naughty_environment: None) -> Bench:
    """A dataset of as many cells as it takes; on the embedded engine."""
    write_small(tmp_path / "small.h5ad", n_cells=20_000)
    multiverse.register(tmp_path / "small.h5ad", slug="small")
    return Bench(tmp_path, "local")


class Examination:
    """The processes that look at the outputs of one runner."""

    def __init__(self, bench: Bench, runner: subprocess.Popen[str]) -> None:
        self.bench = bench
        self.runner = runner
        self.examiner: psutil.Process | None = None
        self.child: psutil.Process | None = None

    def hold(self) -> None:
        """Stop whoever looks at the wide embedding, as if it took for ever."""
        self.bench.until(self._held, self.runner)

    def _held(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.runner.pid).children():
                if EXAMINER in process.cmdline():
                    for child in process.children():
                        if child.cpu_times().user > 0.1:  # none other computes for so long
                            child.suspend()
                            self.examiner, self.child = process, child
                            return True
        return False

    def is_gone(self) -> bool:
        assert self.examiner is not None
        assert self.child is not None
        return not (_lives(self.examiner) or _lives(self.child))


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_a_stop_loses_nothing_and_waits_for_nothing(wide_bench: Bench) -> None:
    bench = wide_bench
    command = bench.command("wide", "good")
    runner = bench.start(command)
    examination = Examination(bench, runner)
    examination.hold()
    bench.until(lambda: len(published_runs(bench.results)) == 1, runner)
    printed = bench.kill(runner, signal.SIGTERM)
    assert runner.returncode == 130, printed
    bench.until(examination.is_gone)
    (kept,) = kept_attempts(bench.results)
    assert (kept.state, kept.cause) == (RunState.CANCELLED, Cause.CANCELLED)
    assert kept.exit_code == 0
    assert "before its output was checked" in kept.message
    code, printed = bench.run(command)
    assert code == 0, printed
    assert "left by a runner that was stopped" in printed
    both = published_runs(bench.results)
    assert len(both) == 2
    (wide,) = [run for run in both if run.parameters["behaviour"] == "wide"]
    assert (wide.attempt, wide.started_at) == (1, kept.started_at), "it was not run again"
    assert not list(bench.results.glob("attempts/*"))


def test_a_runner_that_is_killed_leaves_nobody_who_looks(wide_bench: Bench) -> None:
    runner = wide_bench.start(wide_bench.command("wide"))
    examination = Examination(wide_bench, runner)
    examination.hold()
    wide_bench.kill(runner)
    wide_bench.until(examination.is_gone)
    assert runner.wait(PATIENCE_SECONDS) == -signal.SIGKILL
