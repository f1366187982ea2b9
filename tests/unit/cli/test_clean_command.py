"""``multiverse clean``: what a run or an evaluation would use stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multiverse.cli.main import main
from multiverse.images.environment import used_folders
from multiverse.specs.evaluator import EvaluatorSpec


def test_the_environment_of_the_evaluator_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("MULTIVERSE_CACHE", str(cache))
    used = used_folders([EvaluatorSpec.load()], cache=cache)
    unused = cache / "environments" / ("0" * 16)
    for folder in (*used, unused):
        folder.mkdir(parents=True)
    results = tmp_path / "results"
    results.mkdir()
    assert main(["clean", str(results), "--environments", "--yes", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert str(unused) in json.dumps(said)
    assert not unused.exists()
    assert all(folder.is_dir() for folder in used)
