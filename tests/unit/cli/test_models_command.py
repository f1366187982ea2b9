"""What ``multiverse models`` prints of other people's models."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.cli.main import main

MODEL = """\
name: odd
version: 1.0.0
title: "[bold]Odd[/]"
image: odd
modalities: {optional: [rna]}
parameters:
  type: object
  properties:
    mark: {type: string, default: "[/]", description: "[red]of what"}
"""


@pytest.fixture
def models(tmp_path: Path) -> str:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "model.yaml").write_text(MODEL)
    return str(tmp_path)


def test_a_default_is_shown_as_it_is(models: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "odd", "--models-dir", models]) == 0
    printed = capsys.readouterr().out
    assert '"[/]"' in printed
    assert "[red]of what" in printed


def test_the_list_shows_titles_as_they_are(models: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--models-dir", models]) == 0
    assert "[bold]Odd[/]" in capsys.readouterr().out
