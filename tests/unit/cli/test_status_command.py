"""``multiverse status``, ``runs`` and ``show`` on folders as runners leave them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multiverse.cli.main import main
from multiverse.cli.summary import LONG
from multiverse.events import AttemptStarted, Planned, Progressed
from multiverse.facts import Cause, EpochFacts, RunState, Usage
from multiverse.runner.journal import Journal
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.lock import RunLocks
from tests.unit.runs.test_publish_and_list import kept, published, record
from tests.unit.runs.test_status import A, B, C, begin, now, task


@pytest.fixture
def results(tmp_path: Path) -> Iterator[ResultsFolder]:
    """One job runs, one waits, one is complete, one has failed, one was interrupted."""
    results = ResultsFolder(tmp_path / "results")
    locks = RunLocks(results)
    published(results, record(A))
    kept(results, record(B, state=RunState.FAILED, cause=Cause.TIME_LIMIT, message="too long"))
    journal = Journal(results)
    planned = [task(C, 600), task("d" * 16, 60)]
    journal(Planned(tuple(planned)))
    assert locks.acquire(C)
    attempt = begin(results, C, now(-5))
    journal(AttemptStarted(planned[0].run_id, attempt.number, 1, 4 * 1024**3))
    usage = Usage(wall_seconds=5, peak_memory_bytes=3 * 1024**3)
    journal(Progressed(planned[0].run_id, usage, EpochFacts(1, 2, {"loss": 1.0}, pace=5)))
    begin(results, "e" * 16)
    yield results
    locks.release_all()


def test_status_says_where_every_job_stands(
    results: ResultsFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(results.folder)]) == 1
    counts, command, head, row, interrupted, failed, attempt = capsys.readouterr().out.splitlines()
    assert counts.startswith("1 running · 1 queued · 1 interrupted · 1 done · 1 failed · about 1m ")
    assert command.startswith(f"{results.folder}: process {os.getpid()} on ")
    assert head.split() == ["job", "epoch", "elapsed", "memory", "left", "values"]
    assert row.split()[:3] == ["pbmc/pca", "job", "c"]
    assert "3.0 of 4.0 GiB" in row
    assert "1/2" in row
    assert interrupted == (
        "pbmc/pca seed 0: interrupted: the next run takes it over (eeeeeeeeeeeeeeee)"
    )
    assert failed == "pbmc/pca seed 0: failed — time limit: too long"
    assert attempt == f"  attempt: {results.attempts / B / '1'}"


def test_status_as_json(results: ResultsFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(results.folder), "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["counts"] == {
        "running": 1, "queued": 1, "interrupted": 1, "complete": 1, "failed": 1,
    }  # fmt: skip
    assert content["working"] is True
    assert content["remaining_seconds"] > 60
    jobs = {job["run_id"]: job for job in content["jobs"]}
    assert jobs[C]["live"]["epoch"] == {
        "number": 1, "total": 2, "values": {"loss": 1.0}, "limit": False, "pace": 5.0,
    }  # fmt: skip
    assert (jobs[B]["state"], jobs[B]["cause"]) == ("failed", "time_limit")
    assert jobs[A]["usage"]["wall_seconds"] == 1.5


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("nothing to do")
    assert main(["status", str(tmp_path / "absent")]) == 5
    assert "is not a results folder" in capsys.readouterr().err


def test_watching_ends_when_nothing_runs_any_more(tmp_path: Path) -> None:
    """In another process, as from another terminal, while the runner ends its job."""
    results = ResultsFolder(tmp_path)
    locks = RunLocks(results)
    assert locks.acquire(A)
    attempt = begin(results, A)
    command = [sys.executable, "-m", "multiverse", "status", str(tmp_path), "--watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        first = json.loads(watcher.stdout.readline())
        published(results, record(A))
        attempt.started.unlink()
        locks.release_all()
        *_, last = [json.loads(line) for line in watcher.stdout]
    assert watcher.returncode == 0
    assert (first["counts"], last["counts"]) == ({"running": 1}, {"complete": 1})


def test_watching_a_folder_where_nothing_runs_says_so_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(ResultsFolder(tmp_path), record(A))
    assert main(["status", str(tmp_path), "--watch"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "1 done"


def test_a_damaged_run_is_named_after_the_others(
    results: ResultsFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = results.attempts / B / "1" / "run.json"
    damaged.write_text("{")
    assert main(["runs", str(results.folder)]) == 0
    _, row, note = capsys.readouterr().out.splitlines()
    assert "complete" in row
    assert note.startswith(f"note: {damaged} is not a run's record: Invalid JSON")
    assert main(["runs", str(results.folder), "--json"]) == 0
    out = capsys.readouterr()
    assert [run["run_id"] for run in json.loads(out.out)] == [A]
    assert str(damaged) in out.err
    assert main(["status", str(results.folder)]) == 0
    assert f"note: {damaged} is not a run's record" in capsys.readouterr().out


def test_json_of_no_runs_is_an_empty_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_long_list_has_the_columns_of_a_short_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed(count: int) -> list[str]:
        results = ResultsFolder(tmp_path / str(count))
        for number in range(count):
            made: dict[str, Any] = {"seed": number, "changed": {"k": 3, "l": number}}
            kept(results, record(f"{number:016x}", state=RunState.FAILED, **made))
        assert main(["runs", str(results.folder)]) == 0
        return capsys.readouterr().out.splitlines()

    short, long = listed(2), listed(LONG + 1)
    assert len(long) == LONG + 2
    assert long[0].split() == short[0].split()
    assert long[1].split() == ["pbmc", "pca", "k=3,", "l=0", "0", "failed", "1.5s", "—",
                               "3", "×", "2", "00000000"]  # fmt: skip


def test_show_lists_the_earlier_attempts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = ResultsFolder(tmp_path)
    used = Usage(wall_seconds=9, peak_memory_bytes=1024**3)
    limits = {"cpus": 1.0, "memory": 2 * 1024**3}
    lost = {"state": RunState.FAILED, "cause": Cause.OUT_OF_MEMORY, "usage": used}
    kept(results, record(A, limits=limits, **lost))
    published(results, record(A, attempt=2))
    assert main(["show", "aaaa", "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = lines[lines.index("other attempts:") + 2]
    assert row.split() == ["1", "out", "of", "memory", "9.0s", "1.0", "GiB", "of", "2.0", "GiB",
                           str(results.attempts / A / "1")]  # fmt: skip
    assert main(["show", "aaaa", "--results", str(tmp_path), "--json"]) == 0
    (earlier,) = json.loads(capsys.readouterr().out)["attempts"]
    assert earlier["cause"] == "out_of_memory"
