"""Ctrl-C and SIGTERM at any moment: no container, no process, no half-written run is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from multiverse.api import Request
from multiverse.engines.protocol import Engine
from multiverse.facts import RunState
from multiverse.runner.prepared import owner_labels
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from tests.conftest import TEST_MODELS


def start_runner(request: Request) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "multiverse.runner.cli",
        "--models", "naughty", "--dataset", "small", "--output", str(request.output),
        "--models-dir", str(TEST_MODELS), "--engine", request.engine,
        "-p", "naughty.behaviour=sleep", "-p", "naughty.amount=60",
    ]  # fmt: skip
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A shell ignores Ctrl-C for what it starts in the background, and so would the runner.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_start(runner: subprocess.Popen[str], output: Path) -> None:
    for _ in range(600):
        if list(output.glob("attempts/*/1/output/metrics.jsonl")) or runner.poll() is not None:
            return
        time.sleep(0.1)
    pytest.fail("the model never began")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_running_job_is_stopped_and_kept(
    request_for: Callable[..., Request], engine: Engine, number: signal.Signals
) -> None:
    request = request_for("sleep")
    runner = start_runner(request)
    wait_for_start(runner, request.output)
    runner.send_signal(number)
    printed, _ = runner.communicate(timeout=60)
    assert runner.returncode == 130, printed
    assert "stopped on request" in printed
    results = ResultsFolder(request.output)
    (run,) = Results.open(results).runs
    assert run.record.state is RunState.CANCELLED
    assert (run.folder / "container.log").read_text().startswith("epoch 1")
    assert engine.sweep(owner_labels(results)) == 0


@pytest.mark.parametrize("delay", [0.2, 0.8, 1.6, 2.4])
def test_a_signal_at_any_moment_leaves_nothing(
    request_for: Callable[..., Request], engine: Engine, delay: float
) -> None:
    request = request_for("sleep")
    runner = start_runner(request)
    time.sleep(delay)
    runner.send_signal(signal.SIGTERM)
    printed, _ = runner.communicate(timeout=60)
    assert runner.returncode in (130, -signal.SIGTERM), printed
    assert "Traceback" not in printed
    assert engine.sweep(owner_labels(ResultsFolder(request.output))) == 0
