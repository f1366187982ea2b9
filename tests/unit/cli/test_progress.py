"""What people see while jobs run, without a terminal."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from multiverse.cli.progress import Progress
from multiverse.runner.events import Task
from multiverse.runs.listing import FoundRun
from multiverse.runs.record import Cause, RunState
from tests.unit.runs.test_publish_and_list import record

TASK = Task(run_id="a" * 16, name="pbmc/pca seed 0", dataset="pbmc", model="pca", seed=0)


def shown(progress_out: io.StringIO) -> str:
    return progress_out.getvalue()


def make() -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    return Progress(Console(file=out, width=200, soft_wrap=True)), out


def test_every_step_is_one_line_that_names_the_job() -> None:
    progress, out = make()
    with progress:
        progress.queued(TASK, "parameter n_components 15 → 20")
        progress.started(TASK, 2, 1024)
        progress.finished(TASK, FoundRun(record(), Path("results/x")))
    lines = shown(out).splitlines()
    assert lines == [
        "pbmc/pca seed 0: to run because parameter n_components 15 → 20",
        "pbmc/pca seed 0: started (aaaaaaaaaaaaaaaa, attempt 2)",
        "pbmc/pca seed 0: complete in 1.5s",
    ]


def test_a_failure_names_its_cause_and_its_log() -> None:
    progress, out = make()
    failed = record(
        state=RunState.FAILED, cause=Cause.MODEL_ERROR, message="exit code 1 \x1b[2J[bold]x"
    )
    progress.finished(TASK, FoundRun(failed, Path("results/attempts/a/1")))
    assert "exit code 1  [2J[bold]x" in shown(out), "neither the terminal nor markup obeys it"
    assert "results/attempts/a/1/container.log" in shown(out)


def test_output_of_a_model_is_shown_line_by_line() -> None:
    progress, out = make()
    progress.output(TASK, b"first li")
    progress.output(TASK, b"ne\nsecond\xff\n")
    assert shown(out).splitlines() == [
        "  pca | first line",
        "  pca | second\N{REPLACEMENT CHARACTER}",
    ]
