"""``verify``, ``clean`` and ``doctor``, run as a user runs them, on what real runs left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from multiverse.api import Request, run_benchmark
from multiverse.facts import RunState
from multiverse.runner.options import RunOptions
from multiverse.runs.folder import ResultsFolder
from multiverse.specs.benchmark import BenchmarkSource
from tests.conftest import TEST_MODELS, docker_or_skip, write_small
from tests.engine.conftest import _naughty_image as _naughty_image
from tests.scenario.conftest import Command
from tests.unit.cleanup.made import keep_attempt, publish_run


@pytest.mark.docker
@pytest.mark.usefixtures("_naughty_image")
def test_real_runs_verify_and_their_failures_can_be_cleaned(
    multiverse_command: Command, tmp_path: Path
) -> None:
    sets = [{"behaviour": "good", "amount": 1.5e-7}, {"behaviour": "nan"}]
    content = {
        "datasets": [{"path": str(write_small(tmp_path / "small.h5ad")), "batch_key": "donor"}],
        "models": [{"model": "naughty", "parameters": sets}],
    }
    request = Request(
        source=BenchmarkSource.of(content),
        output=tmp_path / "results",
        engine="docker",
        options=RunOptions(),
        models_dirs=[TEST_MODELS],
    )
    runs = {run.record.state: run for run in run_benchmark(request)}
    assert set(runs) == {RunState.COMPLETE, RunState.FAILED}
    results = request.output
    done = multiverse_command("verify", results)
    assert done.code == 0, done.said
    assert "all is as it was published (1 run, 7 files" in done.out
    failed = runs[RunState.FAILED].folder
    done = multiverse_command("clean", results, "--attempts")
    assert done.code == 0, done.said
    assert failed.relative_to(results).as_posix() in done.out
    assert failed.is_dir(), "it goes only when told"
    done = multiverse_command("clean", results, "--attempts", "--yes")
    assert done.code == 0, done.said
    assert not failed.exists()
    embeddings = runs[RunState.COMPLETE].folder / "embeddings.h5"
    embeddings.chmod(0o644)
    with embeddings.open("ab") as stream:
        stream.write(b"\0")
    done = multiverse_command("verify", results)
    assert done.code == 5
    assert f"changed: {embeddings.relative_to(results)}" in done.out


def test_differences_for_machines_and_for_people(
    multiverse_command: Command, tmp_path: Path
) -> None:
    """A name that would obey a shell or a terminal is text."""
    results = ResultsFolder(tmp_path / "results")
    run = publish_run(results)
    hostile = "a'; touch pwned; \x1b]0;owned\x07"
    (run.folder / hostile).write_text("x")
    done = multiverse_command("verify", results.folder, "--json")
    assert done.code == 5
    told = json.loads(done.out)
    assert (told["runs"], told["files"]) == (1, 7)
    assert told["differences"][0]["kind"] == "unexpected"
    assert told["differences"][0]["place"].endswith(hostile)
    done = multiverse_command("verify", results.folder)
    assert "unexpected: " in done.out
    assert "\x1b" not in done.said
    done = multiverse_command("verify", tmp_path / "none")
    assert done.code == 5
    assert "is not a results folder" in done.err


def test_cleaning_asks_for_two_words_before_a_published_run_goes(
    multiverse_command: Command, tmp_path: Path
) -> None:
    results = ResultsFolder(tmp_path / "results")
    run, attempt = publish_run(results, 1), keep_attempt(results, 2)
    done = multiverse_command("clean", results.folder, "--attempts", "--json")
    told = json.loads(done.out)
    assert [item["name"] for item in told["can_go"]] == [
        attempt.folder.relative_to(results.folder).as_posix()
    ]
    assert told["bytes"] == told["can_go"][0]["bytes"] > 0
    done = multiverse_command("clean", results.folder, "--published", "--yes")
    assert done.code == 2, done.said
    done = multiverse_command("clean", results.folder, "--runs", "../..", "--published", "--yes")
    assert done.code == 2
    assert "not the id of a run" in done.err
    done = multiverse_command("clean", results.folder, "--runs", run.run_id, "--yes")
    assert "there is nothing to clean" in done.out
    assert run.record.is_file()
    done = multiverse_command(
        "clean", results.folder, "--runs", run.run_id, "--published", "--yes", "--json"
    )
    assert done.code == 0, done.said
    assert json.loads(done.out)["removed"] == [f"pbmc/pca/{run.run_id}"]
    assert not run.folder.exists()
    assert attempt.record.is_file()


def test_cleaning_everything_is_listed_without_being_done(
    multiverse_command: Command, tmp_path: Path
) -> None:
    results = ResultsFolder(tmp_path / "results")
    keep_attempt(results)
    before = sorted(tmp_path.rglob("*"))
    done = multiverse_command("clean", results.folder)
    assert done.code == 0, done.said
    assert "attempts: 1," in done.out
    assert "nothing was removed: add --yes" in done.out
    created = {path.name for path in {*tmp_path.rglob("*")} - {*before}}
    assert created <= {".multiverse.lock"}


def test_the_doctor_reports_in_80_columns_and_for_machines(
    multiverse_command: Command, tmp_path: Path
) -> None:
    done = multiverse_command("doctor", "--results", tmp_path / ("long" * 30))
    assert max(map(len, done.out.splitlines())) <= 80
    machine = json.loads(multiverse_command("doctor", "--results", tmp_path, "--json").out)
    areas = {finding["area"] for finding in machine["findings"]}
    assert {"versions", "engine", "disk", "memory", "permissions", "clock"} <= areas
    for finding in machine["findings"]:
        assert finding["status"] in ("ok", "note", "warning", "error")
        assert finding["seen"]
        assert finding["remedy"] or finding["status"] in ("ok", "note")
    well = all(finding["status"] != "error" for finding in machine["findings"])
    assert machine["well"] is well
    assert done.code == (0 if well else 4)


def test_the_doctor_ends_with_4_where_a_run_would_fail(
    multiverse_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setenv("MULTIVERSE_ENGINE", "docker")
    done = multiverse_command("doctor", "--results", tmp_path)
    assert done.code == 4
    assert "no Docker daemon answers" in done.out
    assert "1 error," in done.out


@pytest.mark.docker
def test_a_folder_that_the_daemon_does_not_see_is_found(tmp_path: Path) -> None:
    """The results are on a disk that is mounted for this process only, as on a remote client."""
    docker_or_skip()
    place = tmp_path / "private"
    place.mkdir()
    script = (
        'mount -t tmpfs tmpfs "$1" && mkdir "$1/results" && '
        'exec "$2" -m multiverse doctor --json --results "$1/results"'
    )
    command = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script, "sh", str(place)]
    done = subprocess.run([*command, sys.executable], capture_output=True, text=True)
    if done.returncode not in (0, 4):
        pytest.skip(f"no private mount can be made here: {done.stderr.strip()[:200]}")
    findings = json.loads(done.stdout)["findings"]
    (finding,) = [item for item in findings if item["area"] == "container"]
    if finding["seen"] == "not tried: no image of a model is here":
        pytest.skip("there is no image to try it with")
    assert finding["status"] == "error", finding
    assert done.returncode == 4
    assert list(place.iterdir()) == []
