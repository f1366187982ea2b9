"""What ``multiverse track`` says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multiverse.cli.main import main
from multiverse.runs.folder import ResultsFolder
from tests.unit.tracking.made import publish_tracked

pytest.importorskip("mlflow", reason="the extra mlflow is not installed")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for seed in (0, 1):
        publish_tracked(ResultsFolder(tmp_path / "results"), seed)
    return tmp_path / "results"


def test_progress_and_summary(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["track", str(results)]) == 0
    out = capsys.readouterr().out
    assert "copied pbmc/pca seed 0 (1 of 2)" in out
    assert out.splitlines()[-1].endswith("mlflow.db): 2 copied")
    assert main(["track", str(results), "--no-embeddings"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("2 already there")


def test_for_machines(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["track", str(results), "--json", "--max-embedding", "1B"]) == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert (told["copied"], told["complete"], told["failed"]) == (2, True, [])
    assert all("embeddings.h5 has 6 bytes" in note for note in told["notes"])
    assert "copied pbmc/pca seed 0" in shown.err


def test_what_is_missing_has_the_exit_code_1(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["track", str(results), "--uri", "http://127.0.0.1:9"]) == 1
    shown = capsys.readouterr()
    assert "2 missing" in shown.out
    assert "pbmc/pca seed 0, pbmc/pca seed 1: there is no connection" in shown.err
    assert f"multiverse track {results} --uri http://127.0.0.1:9" in shown.err


def test_a_wrong_amount_is_a_wrong_request(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["track", str(results), "--max-embedding", "much"]) == 2
    assert "--max-embedding: 'much' is not an amount" in capsys.readouterr().err
