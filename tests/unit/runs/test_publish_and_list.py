"""A run appears complete or not at all, and is found again."""

from __future__ import annotations

import csv
import hashlib
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multiverse.errors import ResultsError, UsageError
from multiverse.facts import Cause, EngineFacts, RunState, Usage
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.publish import is_intact, publish
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.runs.table import write_table
from multiverse.runs.writing import write_atomic


def record(run_id: str = "a" * 16, **changes: Any) -> RunRecord:
    content: dict[str, Any] = {
        "run_id": run_id,
        "attempt": 1,
        "state": RunState.COMPLETE,
        "dataset": "pbmc",
        "dataset_fingerprint": "f" * 64,
        "n_obs": 3,
        "model": "pca",
        "model_version": "1.0.0",
        "seed": 0,
        "device": "cpu",
        "parameters": {"n_components": 2},
        "preprocessing": {},
        "modalities": ("rna",),
        "identity": {},
        "image": None,
        "environment_lock": "0" * 64,
        "engine": EngineFacts(name="local", version="1", isolation="environment only"),
        "limits": {"cpus": 1.0, "memory": 1024, "time_limit": None},
        "threads": 1,
        "usage": Usage(wall_seconds=1.5),
        "n_dims": 2,
        "started_at": "2026-01-01T00:00:00+00:00",
        "finished_at": "2026-01-01T00:00:02+00:00",
    }
    return RunRecord(**{**content, **changes})


def published(results: ResultsFolder, made: RunRecord) -> RunRecord:
    attempt = results.new_attempt(made.run_id)
    for name in ("embeddings.h5", "metrics.json", "umap.png", "run.log", "extra.bin"):
        (attempt.output.folder / name).write_text(name)
    (attempt.output.folder / "job_spec.json").write_text("changed by the model")
    attempt.container_log.write_text("log")
    target = results.run(made.dataset, made.model, made.run_id)
    return publish(attempt, target, made, '{"the": "runner\'s own"}')


def kept(results: ResultsFolder, made: RunRecord) -> None:
    attempt = results.new_attempt(made.run_id)
    write_atomic(attempt.record, made.model_copy(update={"attempt": attempt.number}).to_json())


def test_a_published_run_is_whole_read_only_and_true(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    final = published(results, record())
    run = results.run("pbmc", "pca", "a" * 16)
    assert is_intact(Run.read(run.record))
    assert RunRecord.read(run.record) == final
    assert final.ignored_files == ("extra.bin",)
    assert run.job_spec.read_text() == '{"the": "runner\'s own"}'
    for name, checksum in final.checksums.items():
        digest = hashlib.sha256((run.folder / name).read_bytes()).hexdigest()
        assert checksum == f"sha256:{digest}"
        assert stat.S_IMODE((run.folder / name).stat().st_mode) == 0o444
    assert not list(results.attempts.iterdir()), "an attempt that became a run leaves nothing"


def test_a_run_that_lost_a_file_is_not_intact_and_can_be_replaced(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    published(results, record())
    run = results.run("pbmc", "pca", "a" * 16)
    run.umap.unlink()
    assert not is_intact(Run.read(run.record))
    published(results, record())
    assert is_intact(Run.read(run.record))


def test_a_link_that_appears_before_publishing_is_refused(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    attempt = results.new_attempt("a" * 16)
    (attempt.output.folder / "embeddings.h5").symlink_to("/etc/passwd")
    attempt.container_log.write_text("log")
    target = results.run("pbmc", "pca", "a" * 16)
    with pytest.raises(OSError, match="symbolic link"):
        publish(attempt, target, record(), "{}")
    assert not target.folder.exists()


def test_the_last_attempt_stands_for_a_run_that_did_not_complete(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    published(results, record())
    for message in ("first", "second"):
        kept(
            results,
            record("b" * 16, state=RunState.FAILED, cause=Cause.MODEL_ERROR, message=message),
        )
    kept(results, record("a" * 16, state=RunState.FAILED, cause=Cause.OUT_OF_MEMORY))
    assert [(run.record.run_id[0], run.record.message) for run in Results.open(results).runs] == [
        ("a", ""),
        ("b", "second"),
    ]
    write_table(Results.open(results))
    rows = list(csv.DictReader(results.runs_table.open()))
    assert [(row["state"], row["cause"]) for row in rows] == [
        ("complete", ""),
        ("failed", "model_error"),
    ]


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    published(results, record("abc1" * 4))
    published(results, record("abc2" * 4))
    assert Results.open(results).with_id("abc1").record.run_id == "abc1" * 4
    with pytest.raises(UsageError, match="could be 2 runs"):
        Results.open(results).with_id("abc")
    with pytest.raises(UsageError, match="no run"):
        Results.open(results).with_id("../../etc")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"run_id": 3}', "\0"])
def test_a_damaged_record_is_named_and_hides_no_other(tmp_path: Path, damage: str) -> None:
    results = ResultsFolder(tmp_path)
    for run_id in ("a" * 16, "b" * 16):
        published(results, record(run_id))
    kept(results, record("c" * 16, state=RunState.FAILED))
    kept(results, record("d" * 16, state=RunState.FAILED))
    path = results.run("pbmc", "pca", "a" * 16).record
    path.chmod(0o644)
    path.write_text(damage)
    (results.attempts / ("c" * 16) / "1" / "run.json").write_text(damage)
    listing = Results.open(results)
    assert [run.record.run_id[0] for run in listing.runs] == ["b", "d"]
    assert [message.partition(" is not a run's record")[0] for message in listing.damaged] == [
        str(path),
        str(results.attempts / ("c" * 16) / "1" / "run.json"),
    ]
    assert [run.record.run_id[0] for run in Results.open(results).runs] == ["b", "d"]


def test_what_runs_or_is_no_run_is_not_listed(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    published(results, record())
    kept(results, record("b" * 16, state=RunState.RUNNING))
    results.new_attempt("c" * 16)
    for name in ("pbmc/pca/half-copied", ".trash/pca/x", "attempts/e/²", "attempts/f/1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".trash/pca/x/run.json").write_text("{")
    (tmp_path / "attempts/notes.txt").write_text("mine")
    listing = Results.open(results)
    assert [run.record.run_id[0] for run in listing.runs] == ["a"]
    assert listing.damaged == ()


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="not a results folder"):
        Results.open(tmp_path / "absent")


def test_the_other_attempts_at_a_run_are_found_from_each_of_its_places(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    for cause in (Cause.OUT_OF_MEMORY, Cause.ENGINE_LOST):
        kept(results, record(state=RunState.FAILED, cause=cause))
    last = Results.open(results).with_id("a")
    assert last.record.cause is Cause.ENGINE_LOST
    assert [run.record.cause for run in last.other_attempts()] == [Cause.OUT_OF_MEMORY]
    published(results, record(attempt=3))
    done = Results.open(results).with_id("a")
    assert done.complete
    causes = [run.record.cause for run in done.other_attempts()]
    assert causes == [Cause.OUT_OF_MEMORY, Cause.ENGINE_LOST]
    assert replace(done, folder=Path("/copy")).other_attempts() == []


def test_nothing_half_written_is_ever_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")
    with pytest.raises(TypeError):
        write_atomic(path, 3)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere, results = ResultsFolder(tmp_path / "elsewhere"), ResultsFolder(tmp_path / "results")
    published(elsewhere, record())
    kept(elsewhere, record("b" * 16, state=RunState.FAILED))
    results.attempts.mkdir(parents=True)
    (results.folder / "pbmc").symlink_to(elsewhere.folder / "pbmc")
    (results.attempts / ("b" * 16)).symlink_to(elsewhere.attempts / ("b" * 16))
    assert len(Results.open(elsewhere)) == 2
    assert len(Results.open(results)) == 0


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    published(results, record())
    first = Results.open(results)
    kept(results, record("b" * 16, state=RunState.FAILED))
    second = first.refresh()
    assert [run.record.run_id[0] for run in first] == ["a"], "as it was when it was read"
    assert [run.record.run_id[0] for run in second] == ["a", "b"]
    assert second.runs[0] is first.runs[0]
    published(results, record(seed=3))
    assert [run.record.seed for run in second.refresh().complete] == [3]
