"""What people see while jobs run, with and without a terminal."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from multiverse.cli.progress import LOG_LINES, Progress
from multiverse.cli.running import MAX_LIVE_ROWS
from multiverse.events import (
    AttemptStarted,
    Finished,
    Held,
    Noted,
    Planned,
    Printed,
    Progressed,
    Queued,
    Retried,
    Warned,
)
from multiverse.facts import Cause, EpochFacts, JobFacts, RunState, Usage
from tests.unit.runs.test_publish_and_list import record

TASK = JobFacts(run_id="a" * 16, name="pbmc/pca seed 0", dataset="pbmc", model="pca", seed=0)
GIB = 1024**3


def task(number: int, expected: float | None = None) -> JobFacts:
    return JobFacts(f"{number:016x}", f"pbmc/mofa seed {number}", "pbmc", "mofa", number, expected)


def make(line_seconds: float = 1e6, width: int = 200) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=40, soft_wrap=True)
    progress = Progress(console, line_seconds=line_seconds)
    progress(Planned((TASK,)))
    return progress, out


def on_terminal(width: int = 80, height: int = 40) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    terminal = Console(
        file=out,
        width=width,
        height=height,
        force_terminal=True,
        color_system=None,
        legacy_windows=False,
    )
    progress = Progress(terminal)
    progress(Planned((TASK,)))
    return progress, out


def view(progress: Progress, width: int = 80, *, color: bool = False) -> list[str]:
    """The lines of the live view as it is now."""
    out = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
    )
    with out.capture() as captured:
        out.print(progress._view())
    return captured.get().splitlines()


def test_every_step_is_one_line_that_names_the_job() -> None:
    progress, out = make()
    with progress:
        progress(Planned((TASK,)))
        progress(Queued(TASK.run_id, "parameter n_components 15 → 20"))
        progress(Held(TASK.run_id, "process 7 on host"))
        progress(AttemptStarted(TASK.run_id, 2, 1, 1024))
        failed = record(state=RunState.FAILED, cause=Cause.OUT_OF_MEMORY, message="needed more")
        progress(Retried(TASK.run_id, "with 8.0 GiB of memory", failed.facts(Path("results/x"))))
        progress(AttemptStarted(TASK.run_id, 3, 1, 1024, gpu="1", adopted=True))
        progress(Warned("the disk is short"))
        progress(Noted("engine: docker 27"))
        progress(Finished(TASK.run_id, record().facts(Path("results/x"))))
    assert out.getvalue().splitlines() == [
        "pbmc/pca seed 0: to run because parameter n_components 15 → 20",
        "pbmc/pca seed 0: process 7 on host works on it: waiting for that (aaaaaaaaaaaaaaaa)",
        "pbmc/pca seed 0: started (aaaaaaaaaaaaaaaa, attempt 2)",
        "pbmc/pca seed 0: attempt 1 failed — out of memory: needed more; "
        "tried again with 8.0 GiB of memory",
        "pbmc/pca seed 0: taken over from a runner that was killed "
        "(aaaaaaaaaaaaaaaa, attempt 3, GPU 1)",
        "note: the disk is short",
        "engine: docker 27",
        "pbmc/pca seed 0: complete in 1.5s",
    ]


def test_a_failure_names_its_cause_the_end_of_its_log_and_its_attempt(tmp_path: Path) -> None:
    progress, out = make()
    log = [f"line {number} \x1b[31m" for number in range(9)]
    (tmp_path / "container.log").write_text("\n".join(log))
    failed = record(
        state=RunState.FAILED, cause=Cause.MODEL_ERROR, message="exit code 1 \x1b[2J[bold]x"
    )
    progress(Finished(TASK.run_id, failed.facts(tmp_path)))
    first, *lines, last = out.getvalue().splitlines()
    assert first == "pbmc/pca seed 0: failed in 1.5s — model error: exit code 1  [2J[bold]x"
    assert lines == [f"    | line {number}  [31m" for number in range(9 - LOG_LINES, 9)]
    assert last == f"  attempt: {tmp_path}"


def test_a_job_that_was_stopped_is_no_failure() -> None:
    progress, out = make()
    stopped = record(state=RunState.CANCELLED, cause=Cause.CANCELLED, message="stopped on request")
    progress(Finished(TASK.run_id, stopped.facts(Path("x"))))
    assert out.getvalue() == "pbmc/pca seed 0: cancelled in 1.5s — stopped on request\n"


def test_output_of_a_model_is_shown_line_by_line() -> None:
    progress, out = make()
    progress(Printed(TASK.run_id, "first li"))
    progress(Printed(TASK.run_id, "ne\nsecond\N{REPLACEMENT CHARACTER}\n"))
    assert out.getvalue().splitlines() == [
        "  pca | first line",
        "  pca | second\N{REPLACEMENT CHARACTER}",
    ]


def test_without_a_terminal_running_jobs_and_all_together_say_how_far_they_are() -> None:
    progress, out = make(line_seconds=0)
    progress(Planned((TASK, task(1, expected=60))))
    progress(Queued(task(1).run_id, "new"))
    progress(AttemptStarted(TASK.run_id, 1, 1, 4 * GIB))
    usage = Usage(wall_seconds=30, peak_memory_bytes=int(3.8 * GIB))
    progress(Progressed(TASK.run_id, usage, EpochFacts(25, 100, {"elbo": -12.5}, pace=1.2)))
    assert out.getvalue().splitlines()[1:] == [
        "pbmc/pca seed 0: 30.0s · 3.8 of 4.0 GiB (nearly all) · epoch 25/100 · elbo -12.5 "
        "· about 1m 30s left",
        "1 running · 1 queued · about 2m 30s left",
    ]


def test_the_view_fits_a_narrow_terminal_and_leaves_out_what_has_no_room() -> None:
    progress, _ = make(width=80)
    jobs = [
        JobFacts(f"{number:016x}", f"{'long' * 20} seed {number}", "pbmc", "mofa", number)
        for number in range(50)
    ]
    progress(Planned(tuple(jobs)))
    for number in range(10_000):
        progress(Queued(task(50 + number).run_id, "new"))
    for running in jobs:
        progress(AttemptStarted(running.run_id, 1, 1, 16 * GIB, gpu="0"))
        usage = Usage(wall_seconds=725, peak_memory_bytes=int(12.25 * GIB))
        newest = EpochFacts(1200, 4000, {"loss": 0.125}, pace=725 / 1200)
        progress(Progressed(running.run_id, usage, newest))
    lines = view(progress)
    assert max(map(len, lines)) <= 80
    assert len(lines) == MAX_LIVE_ROWS + 3
    assert lines[0].split() == ["job", "epoch", "elapsed", "memory", "GPU", "left"]
    assert "…" in lines[1]
    assert "seed 0" in lines[1]
    figures = ["1200/4000", "12m", "05s", "12.2", "of", "16.0", "GiB", "0", "~28m", "12s"]
    assert lines[1].split()[-len(figures) :] == figures
    assert lines[-2].startswith("and 30 more running")
    assert lines[-1].startswith("50 running · 10,000 queued")


def test_memory_that_is_nearly_used_up_is_coloured() -> None:
    progress, _ = make()
    progress(AttemptStarted(TASK.run_id, 1, 1, GIB))
    progress(Progressed(TASK.run_id, Usage(peak_memory_bytes=int(0.89 * GIB)), None))
    assert "\x1b[1;31m" not in view(progress, color=True)[1]
    progress(Progressed(TASK.run_id, Usage(peak_memory_bytes=int(0.91 * GIB)), None))
    assert "\x1b[1;31m" in view(progress, color=True)[1]


def test_nothing_is_invented_where_nothing_is_known() -> None:
    progress, _ = make()
    progress(AttemptStarted(TASK.run_id, 1, 1, GIB))
    progress(Progressed(TASK.run_id, Usage(wall_seconds=3), EpochFacts(7, None, {})))
    head, row, counts = view(progress)
    assert head.split() == ["job", "epoch", "elapsed"]
    assert row.split() == ["pbmc/pca", "seed", "0", "7", "3.0s"]
    assert counts == "1 running"


def test_an_upper_limit_of_epochs_is_no_length() -> None:
    progress, out = make(line_seconds=0)
    progress(AttemptStarted(TASK.run_id, 1, 1, GIB))
    newest = EpochFacts(71, 1000, {}, limit=True, pace=6)
    progress(Progressed(TASK.run_id, Usage(wall_seconds=426), newest))
    head, row, counts = view(progress)
    assert head.split() == ["job", "epoch", "elapsed"]
    assert row.split() == ["pbmc/pca", "seed", "0", "71", "of", "≤1000", "7m", "06s"]
    assert counts == "1 running"
    assert "pbmc/pca seed 0: 7m 06s · epoch 71 of at most 1000\n" in out.getvalue()


def test_what_has_ended_is_counted_by_its_state() -> None:
    progress, _ = make()
    for number, state in enumerate([RunState.COMPLETE, RunState.COMPLETE, RunState.FAILED]):
        progress(Queued(task(number).run_id, "new"))
        progress(Finished(task(number).run_id, record(state=state).facts(Path("x"))))
    progress(Queued(task(8).run_id, "new"))
    progress(Held(task(8).run_id, "process 7 on host"))
    assert view(progress)[-1] == "1 at another runner · 2 done · 1 failed"


def test_the_live_view_really_runs_on_a_terminal() -> None:
    progress, out = on_terminal()
    with progress:
        progress(Queued(TASK.run_id, "new"))
        progress(AttemptStarted(TASK.run_id, 1, 1, GIB))
        progress(Progressed(TASK.run_id, Usage(wall_seconds=2), EpochFacts(1, 4, {})))
        progress(Finished(TASK.run_id, record().facts(Path("x"))))
    assert "pbmc/pca seed 0: complete in 1.5s" in out.getvalue()
    assert "1 queued" in out.getvalue()
