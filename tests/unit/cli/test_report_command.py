"""``multiverse report``: what was written, what was not, and the exit code that says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from multiverse.cli.main import main
from multiverse.errors import ResultsError
from tests.unit.report.made import scored_folder


def test_it_names_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = scored_folder(tmp_path / "r")
    assert main(["report", str(results.folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        str(path) for path in (results.scores_table, results.report, results.crate)
    ]


def test_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = scored_folder(tmp_path / "r")
    page = tmp_path / "page.html"
    assert main(["report", str(results.folder), "--output", str(page), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["failed"] == []
    assert {"file": str(page), "bytes": page.stat().st_size} in said["written"]


def test_what_is_damaged_is_said_and_the_rest_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = scored_folder(tmp_path / "r")
    results.scores("other").parent.mkdir()
    results.scores("other").write_text("{")
    assert main(["report", str(results.folder)]) == ResultsError.exit_code
    printed = capsys.readouterr()
    assert str(results.report) in printed.out
    said = " ".join(printed.err.split())
    assert "what is damaged was left out" in said
    assert "other/scores.json can't be read as scores" in said
    assert f"multiverse verify {results.folder}" in said


def test_a_failure_is_an_error_beside_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = scored_folder(tmp_path / "r")
    results.crate.mkdir()
    assert main(["report", str(results.folder)]) == 1
    printed = capsys.readouterr()
    assert "research object was not written" in printed.err
    assert "scores.csv" in printed.out


def test_there_must_be_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "none")]) == ResultsError.exit_code
    assert "is not a results folder" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "needed"), [("report", set()), ("compare", {"numpy"})])
def test_libraries_are_loaded_only_when_a_part_needs_them(command: str, needed: set[str]) -> None:
    """Differences between scores are computed with numpy, and that is all of ``compare``."""
    code = f"import sys, multiverse.cli.{command}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"numpy", "h5py", "pandas", "bokeh", "matplotlib", "jinja2", "rocrate", "scipy"}
    assert not (loaded & heavy) - needed
