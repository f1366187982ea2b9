"""What people see while jobs run, with and without a terminal."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from multiverse.cli.progress import LOG_LINES, Progress
from multiverse.cli.running import MAX_LIVE_ROWS
from multiverse.runner.events import Epoch, Start, Task
from multiverse.runs.record import Cause, RunState, Usage
from multiverse.runs.run import Run
from tests.unit.runs.test_publish_and_list import record

TASK = Task(run_id="a" * 16, name="pbmc/pca seed 0", dataset="pbmc", model="pca", seed=0)
GIB = 1024**3


def task(number: int, expected: float | None = None) -> Task:
    return Task(f"{number:016x}", f"pbmc/mofa seed {number}", "pbmc", "mofa", number, expected)


def make(line_seconds: float = 1e6, width: int = 200) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=40, soft_wrap=True)
    return Progress(console, line_seconds=line_seconds), out


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
    return Progress(terminal), out


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
        progress.planned([TASK])
        progress.queued(TASK, "parameter n_components 15 → 20")
        progress.held(TASK, "process 7 on host")
        progress.started(TASK, Start(2, 1, 1024))
        failed = record(state=RunState.FAILED, cause=Cause.OUT_OF_MEMORY, message="needed more")
        progress.retried(TASK, Run(failed, Path("results/x")), "with 8.0 GiB of memory")
        progress.started(TASK, Start(3, 1, 1024, gpu="1", adopted=True))
        progress.noted("the disk is short")
        progress.finished(TASK, Run(record(), Path("results/x")))
    assert out.getvalue().splitlines() == [
        "pbmc/pca seed 0: to run because parameter n_components 15 → 20",
        "pbmc/pca seed 0: process 7 on host works on it: waiting for that (aaaaaaaaaaaaaaaa)",
        "pbmc/pca seed 0: started (aaaaaaaaaaaaaaaa, attempt 2)",
        "pbmc/pca seed 0: attempt 1 failed — out of memory: needed more; "
        "tried again with 8.0 GiB of memory",
        "pbmc/pca seed 0: taken over from a runner that was killed "
        "(aaaaaaaaaaaaaaaa, attempt 3, GPU 1)",
        "note: the disk is short",
        "pbmc/pca seed 0: complete in 1.5s",
    ]


def test_a_failure_names_its_cause_the_end_of_its_log_and_its_attempt(tmp_path: Path) -> None:
    progress, out = make()
    log = [f"line {number} \x1b[31m" for number in range(9)]
    (tmp_path / "container.log").write_text("\n".join(log))
    failed = record(
        state=RunState.FAILED, cause=Cause.MODEL_ERROR, message="exit code 1 \x1b[2J[bold]x"
    )
    progress.finished(TASK, Run(failed, tmp_path))
    first, *lines, last = out.getvalue().splitlines()
    assert first == "pbmc/pca seed 0: failed in 1.5s — model error: exit code 1  [2J[bold]x"
    assert lines == [f"    | line {number}  [31m" for number in range(9 - LOG_LINES, 9)]
    assert last == f"  attempt: {tmp_path}"


def test_a_job_that_was_stopped_is_no_failure() -> None:
    progress, out = make()
    stopped = record(state=RunState.CANCELLED, cause=Cause.CANCELLED, message="stopped on request")
    progress.finished(TASK, Run(stopped, Path("x")))
    assert out.getvalue() == "pbmc/pca seed 0: cancelled in 1.5s — stopped on request\n"


def test_output_of_a_model_is_shown_line_by_line() -> None:
    progress, out = make()
    progress.output(TASK, b"first li")
    progress.output(TASK, b"ne\nsecond\xff\n")
    assert out.getvalue().splitlines() == [
        "  pca | first line",
        "  pca | second\N{REPLACEMENT CHARACTER}",
    ]


def test_without_a_terminal_running_jobs_and_all_together_say_how_far_they_are() -> None:
    progress, out = make(line_seconds=0)
    progress.queued(task(1, expected=60), "new")
    progress.started(TASK, Start(1, 1, 4 * GIB))
    usage = Usage(wall_seconds=30, peak_memory_bytes=int(3.8 * GIB))
    progress.progress(TASK, usage, Epoch(25, 100, {"elbo": -12.5}))
    assert out.getvalue().splitlines()[1:] == [
        "pbmc/pca seed 0: 30.0s · 3.8 of 4.0 GiB (nearly all) · epoch 25/100 · elbo -12.5 "
        "· about 1m 30s left",
        "1 running · 1 queued · about 2m 30s left",
    ]


def test_the_view_fits_a_narrow_terminal_and_leaves_out_what_has_no_room() -> None:
    progress, _ = make(width=80)
    for number in range(10_000):
        progress.queued(task(50 + number), "new")
    for number in range(50):
        running = Task(f"{number:016x}", f"{'long' * 20} seed {number}", "pbmc", "mofa", number)
        progress.started(running, Start(1, 1, 16 * GIB, gpu="0"))
        usage = Usage(wall_seconds=725, peak_memory_bytes=int(12.25 * GIB))
        progress.progress(running, usage, Epoch(1200, 4000, {"loss": 0.125}))
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
    progress.started(TASK, Start(1, 1, GIB))
    progress.progress(TASK, Usage(peak_memory_bytes=int(0.89 * GIB)), None)
    assert "\x1b[1;31m" not in view(progress, color=True)[1]
    progress.progress(TASK, Usage(peak_memory_bytes=int(0.91 * GIB)), None)
    assert "\x1b[1;31m" in view(progress, color=True)[1]


def test_nothing_is_invented_where_nothing_is_known() -> None:
    progress, _ = make()
    progress.started(TASK, Start(1, 1, GIB))
    progress.progress(TASK, Usage(wall_seconds=3), Epoch(7, None, {}))
    head, row, counts = view(progress)
    assert head.split() == ["job", "epoch", "elapsed"]
    assert row.split() == ["pbmc/pca", "seed", "0", "7", "3.0s"]
    assert counts == "1 running"


def test_what_has_ended_is_counted_by_its_state() -> None:
    progress, _ = make()
    for number, state in enumerate([RunState.COMPLETE, RunState.COMPLETE, RunState.FAILED]):
        progress.queued(task(number), "new")
        progress.finished(task(number), Run(record(state=state), Path("x")))
    progress.queued(task(8), "new")
    progress.held(task(8), "process 7 on host")
    assert view(progress)[-1] == "1 at another runner · 2 done · 1 failed"


def test_the_live_view_really_runs_on_a_terminal() -> None:
    progress, out = on_terminal()
    with progress:
        progress.queued(TASK, "new")
        progress.started(TASK, Start(1, 1, GIB))
        progress.progress(TASK, Usage(wall_seconds=2), Epoch(1, 4, {}))
        progress.finished(TASK, Run(record(), Path("x")))
    assert "pbmc/pca seed 0: complete in 1.5s" in out.getvalue()
    assert "1 queued" in out.getvalue()
