"""What ``multiverse build`` refuses before it asks Docker for anything."""

from __future__ import annotations

import pytest

from multiverse.cli.main import main
from multiverse.errors import UsageError
from multiverse.images.build import build_model
from multiverse.registry.models import find_models
from tests.conftest import REPOSITORY

EXAMPLES = REPOSITORY / "docs" / "examples"


@pytest.fixture(autouse=True)
def _no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")


def test_micromamba_is_no_base_for_models_outside_the_package(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["build", "nmf", "--models-dir", str(EXAMPLES), "--base", "micromamba"]
    assert main(words) == 2
    printed = capsys.readouterr().err
    assert "nmf can't be built on micromamba" in printed
    assert "--base auto" in printed


def test_an_image_of_micromamba_is_none_either() -> None:
    model = find_models(["nmf"], [EXAMPLES])["nmf"]
    with pytest.raises(UsageError, match="can't be built on mambaorg/micromamba"):
        build_model(model, base="mambaorg/micromamba:2-debian12-slim", tell=print)
