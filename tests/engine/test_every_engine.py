"""What every engine does, shown on each: the shared suite."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from multiverse.api import Request, run_benchmark
from multiverse.engines.protocol import Engine
from multiverse.errors import EngineError
from multiverse.events import AttemptStarted, Event, Finished, Progressed, Tell
from multiverse.facts import Cause, EpochFacts, RunState
from multiverse.runner.prepared import owner_labels
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from tests.conftest import kept_attempts

RunNaughty = Callable[..., Results]


def only(results: Results) -> Run:
    (run,) = results.runs
    return run


def test_a_good_model_is_published_with_its_whole_record(
    run_naughty: RunNaughty, engine: Engine
) -> None:
    run = only(run_naughty("good"))
    record = run.record
    assert record.state is RunState.COMPLETE
    assert run.embedding().shape == (30, 3)
    assert run.obs_names() == [f"cell{number}" for number in range(30)]
    assert record.engine.name == engine.name
    assert (record.image is None) == (engine.name == "local")
    assert (record.environment_lock is None) == (engine.name == "docker")
    assert record.usage.wall_seconds > 0
    assert (record.usage.peak_memory_bytes or 0) > 1_000_000
    assert (record.usage.cpu_seconds or 0) > 0
    job = json.loads((run.folder / "job_spec.json").read_text())
    assert job["image"] == (record.image and record.image.model_dump())
    assert set(record.checksums) == {
        "embeddings.h5", "metrics.json", "umap.png", "run.log", "job_spec.json", "container.log",
    }  # fmt: skip
    assert not list((run.folder.parents[2] / "attempts").glob("*"))


def test_a_complete_run_is_not_run_again(run_naughty: RunNaughty) -> None:
    first, second = only(run_naughty("good")), only(run_naughty("good"))
    assert first.record == second.record


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("nothing", "embeddings.h5: was not written"),
        ("nan", "NaN or infinite values in 1 of 30 cells"),
        ("rows", "29 rows for 30 cells"),
        ("permuted", "another order"),
        ("foreign", "no cells of the input"),
        ("constant", "same for every cell"),
        ("symlink", "is a symbolic link"),
        ("log_symlink", "run.log is a symbolic link"),
        ("fifo", "is a FIFO"),
        ("folder", "metrics.json is a folder"),
        ("not_a_picture", "not a complete PNG"),
        ("not_json", "is not JSON"),
        ("not_hdf5", "can't be read as HDF5"),
        ("external_link", "is a link"),
        ("huge_number", "is not finite"),
    ],
)
def test_bad_output_is_named_and_kept(run_naughty: RunNaughty, behaviour: str, words: str) -> None:
    run = only(run_naughty(behaviour))
    assert (run.record.state, run.record.cause) == (RunState.FAILED, Cause.BAD_OUTPUT)
    assert any(words in finding for finding in run.record.findings), run.record.findings
    assert (run.folder / "container.log").is_file()


def test_failure_by_cause(run_naughty: RunNaughty) -> None:
    by_cause = {run.record.cause: run for run in run_naughty("fail", "not_applicable")}
    assert set(by_cause) == {Cause.MODEL_ERROR, Cause.NOT_APPLICABLE}
    error = by_cause[Cause.MODEL_ERROR].record
    assert "exit code 1" in error.message
    assert "no such thing" in error.message
    assert error.message.isprintable()
    assert by_cause[Cause.NOT_APPLICABLE].record.message == "needs seven modalities"


def test_one_failed_job_does_not_stop_the_others(run_naughty: RunNaughty) -> None:
    results = run_naughty("fail", "nothing", "good", parallel=2)
    assert sorted(run.record.state for run in results) == ["complete", "failed", "failed"]


def test_memory_is_limited(run_naughty: RunNaughty) -> None:
    run = only(run_naughty("memory", amount=50e6, memory="300MiB", retries=0))
    assert run.record.cause is Cause.OUT_OF_MEMORY
    assert "300.0 MiB" in run.record.message


@pytest.mark.parametrize("behaviour", ["sleep", "stubborn"])
def test_time_is_limited(run_naughty: RunNaughty, behaviour: str) -> None:
    run = only(run_naughty(behaviour, amount=120, time_limit="2s"))
    assert run.record.cause is Cause.TIME_LIMIT
    assert run.record.usage.wall_seconds < 60


def test_a_flood_of_log_is_cut_and_its_end_is_kept(run_naughty: RunNaughty) -> None:
    run = only(run_naughty("flood", amount=200e6))
    assert run.record.state is RunState.COMPLETE
    log = run.folder / "container.log"
    assert log.stat().st_size < 70e6
    with log.open("rb") as stream:
        stream.seek(-100, os.SEEK_END)
        assert stream.read().endswith(b"the very last line\n")


def test_extra_files_are_named_and_the_job_is_the_runners_own(run_naughty: RunNaughty) -> None:
    run = only(run_naughty("extra"))
    assert run.record.ignored_files == ("model.pt",)
    assert json.loads((run.folder / "job_spec.json").read_text())["model_name"] == "naughty"


def test_modes_and_names_of_files_stop_nothing(run_naughty: RunNaughty) -> None:
    results = run_naughty("locked_up", "strange_names", "good")
    assert [run.record.state for run in results] == [RunState.COMPLETE] * 3
    assert any("odd" in name for run in results for name in run.record.ignored_files)


def test_nothing_that_a_model_starts_outlives_it(
    run_naughty: RunNaughty, engine: Engine, tmp_path: Path
) -> None:
    started = time.monotonic()
    run = only(run_naughty("daemon"))
    assert run.record.state is RunState.COMPLETE
    assert time.monotonic() - started < 60
    assert engine.sweep(owner_labels(ResultsFolder(tmp_path / "results"))) == 0


def broken(event: Event) -> None:
    """Fail in every way that a listener can."""
    if isinstance(event, AttemptStarted):
        raise ValueError("a mistake")
    if isinstance(event, Finished):
        raise SystemExit(1)


def test_a_broken_listener_loses_no_job(request_for: Callable[..., Request]) -> None:
    results = run_benchmark(request_for("good", "fail", "extra"), tell=broken)
    assert len(results) == 3


def test_what_a_model_can_do(
    run_naughty: RunNaughty, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIVERSE_SECRET", "of the caller")
    run = only(run_naughty("sandbox", cpus=2))
    metrics = json.loads((run.folder / "metrics.json").read_text())["model_metrics"]
    assert metrics["write_output"] == 1
    assert metrics["variables"] == 0
    assert metrics["threads"] == 2
    assert metrics["uid"] == os.getuid()
    if engine.name == "docker":
        assert metrics["no_new_privileges"] == 1
        for ability in ("network", "write_root", "write_input", "see_host", "capabilities"):
            assert metrics[ability] == 0, ability


class Recorder:
    """Remembers what it is told, and cancels when the model has begun."""

    def __init__(self) -> None:
        self.epochs: list[EpochFacts] = []
        self.begun = threading.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progressed) and event.epoch is not None:
            self.epochs.append(event.epoch)
            self.begun.set()


def kill_from_outside(engine: Engine, labels: dict[str, str]) -> None:
    """What a person or the system does: KILL the container, or the process."""
    if engine.name == "docker":
        import docker

        client = docker.from_env()
        wanted = [f"{key}={value}" for key, value in labels.items()]
        for container in client.containers.list(filters={"label": wanted}, ignore_removed=True):
            container.kill()
        return
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if labels["multiverse.results"] in process.environ().get("MULTIVERSE_LABELS", ""):
                process.kill()


def test_a_kill_from_outside_is_told_apart(
    request_for: Callable[..., Request], engine: Engine
) -> None:
    request = request_for("sleep", amount=60, retries=0)
    recorder = Recorder()
    results: list[Results] = []
    thread = threading.Thread(target=lambda: results.append(run_benchmark(request, tell=recorder)))
    thread.start()
    assert recorder.begun.wait(60)
    kill_from_outside(engine, owner_labels(ResultsFolder(request.output)))
    thread.join(60)
    record = only(results[0]).record
    assert (record.state, record.cause) == (RunState.FAILED, Cause.KILLED)


def test_what_ends_itself_is_not_said_to_be_killed_from_outside(
    run_naughty: RunNaughty, engine: Engine
) -> None:
    """Only its parent can tell an exit code of 137 from SIGKILL; Docker says 137 of both."""
    results = run_naughty("exit_137", "kill_itself", "crash", retries=0)
    ends = {str(run.record.parameters["behaviour"]): run.record for run in results}
    assert {name: record.exit_code for name, record in ends.items()} == {
        "exit_137": 137, "kill_itself": 137, "crash": 139,
    }  # fmt: skip
    killed = "exit code 137, as after SIGKILL: killed by the system or by a person, or by itself"
    assert ends["kill_itself"].cause is Cause.KILLED
    assert killed in ends["kill_itself"].message
    assert ends["crash"].cause is Cause.MODEL_ERROR
    assert "exit code 139, as after SIGSEGV" in ends["crash"].message
    if engine.name == "docker":
        assert killed in ends["exit_137"].message
    else:
        assert ends["exit_137"].cause is Cause.MODEL_ERROR


def test_epochs_arrive_while_the_model_runs(request_for: Callable[..., Request]) -> None:
    recorder = Recorder()
    run_benchmark(request_for("sleep", amount=1.5), tell=recorder)
    numbers = [epoch.number for epoch in recorder.epochs]
    assert len(set(numbers)) > 2
    assert numbers == sorted(numbers)
    assert recorder.epochs[-1].total == 1000


def test_a_gpu_that_is_not_there_is_an_error(engine: Engine) -> None:
    with pytest.raises(EngineError, match="cuda"):
        engine.check_device("cuda:0")


def tell_starts_through(pipe: int) -> Tell:
    """Return a listener that tells through a pipe that a job was started."""

    def tell(event: Event) -> None:
        if isinstance(event, AttemptStarted):
            os.write(pipe, b"1")

    return tell


def test_sweep_removes_what_a_killed_runner_left(
    request_for: Callable[..., Request], engine: Engine, tmp_path: Path
) -> None:
    """The runner is killed with SIGKILL: what it started is found by its labels and ended."""
    request = request_for("stubborn", amount=300)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            run_benchmark(request, tell=tell_starts_through(writer))
        finally:
            os._exit(1)
    os.close(writer)
    assert os.read(reader, 1) == b"1"
    labels = owner_labels(ResultsFolder(request.output))
    time.sleep(3)
    psutil.Process(child).kill()
    os.waitpid(child, 0)
    assert engine.sweep(labels) == 1
    assert engine.sweep(labels) == 0


def test_out_of_memory_is_tried_again_with_more(run_naughty: RunNaughty, tmp_path: Path) -> None:
    run = only(run_naughty("hungry", amount=300e6, memory="200MiB", time_limit="120s"))
    assert run.record.state is RunState.COMPLETE
    assert run.record.attempt >= 2
    kept = kept_attempts(tmp_path / "results")
    assert {record.cause for record in kept} == {Cause.OUT_OF_MEMORY}
    memory = [record.limits["memory"] or 0 for record in [*kept, run.record]]
    assert memory[1] == 2 * memory[0]


def test_retries_are_counted_and_bounded(run_naughty: RunNaughty, tmp_path: Path) -> None:
    settings = {"memory": "100MiB", "retries": 3, "max_memory": "150MiB"}
    run = only(run_naughty("memory", amount=50e6, **settings))
    assert run.record.cause is Cause.OUT_OF_MEMORY
    assert "150.0 MiB" in run.record.message
    kept = kept_attempts(tmp_path / "results")
    assert [record.limits["memory"] for record in kept] == [100 * 2**20, 150 * 2**20]
