"""Warnings travel with the scores: in the terminal's table, and in ``show`` with all scores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multiverse.api import open_results
from multiverse.cli.main import main
from multiverse.cli.scores import print_scores
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.record import RunRecord
from tests.unit.report.page.folder import Data, add_run, add_scores

WARNING = "the posterior collapsed: 0 of 20 dimensions are active"


def scored(folder: Path) -> tuple[RunRecord, RunRecord]:
    """One run that warns and one that does not."""
    results, data = ResultsFolder(folder), Data(batch=None)
    warned = add_run(results, data, "totalvi", warnings=(WARNING,))
    other = add_run(results, data, "mofa")
    add_scores(results, data, [warned, other], totals=(0.8, 0.5))
    return warned, other


def test_the_table_marks_the_model_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(tmp_path)
    print_scores(open_results(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert sum(" totalvi ⚠ " in line for line in lines) == 1
    assert "⚠ totalvi: The posterior collapsed: 0 of 20 dimensions are active." in lines
    assert not any("mofa ⚠" in line for line in lines)


def test_show_prints_warnings_and_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warned, other = scored(tmp_path)
    assert main(["show", warned.run_id, "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "⚠ The posterior collapsed: 0 of 20 dimensions are active." in out.splitlines()
    rows = {line.split("  ")[0]: line for line in out.splitlines()}
    assert rows["Leiden NMI"].split()[2].startswith("0.")
    assert "obs has no batch column" in rows["BRAS"]
    assert rows["bio"].split()[2].count("–") == 1
    assert main(["show", other.run_id, "--results", str(tmp_path)]) == 0
    assert "⚠" not in capsys.readouterr().out


def test_show_has_both_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warned, _ = scored(tmp_path)
    assert main(["show", warned.run_id, "--results", str(tmp_path), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["warnings"] == [WARNING]
    found = {score["name"]: score for score in content["scores"]}
    assert list(found)[:3] == ["total", "bio", "batch"]
    assert found["leiden_nmi"]["value"] > 0
    assert found["bras"] == {
        "name": "bras", "title": "BRAS", "group": "batch", "value": None,
        "low": None, "high": None, "reason": "obs has no batch column",
    }  # fmt: skip


def test_a_run_without_scores_is_shown_without_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = add_run(ResultsFolder(tmp_path), Data(), "pca")
    assert main(["show", record.run_id, "--results", str(tmp_path)]) == 0
    assert "scores:" not in capsys.readouterr().out
