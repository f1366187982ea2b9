"""Where the copies go, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.runs.folder import ResultsFolder
from multiverse.tracking import default_uri
from multiverse.tracking.uri import masked, shown, without_secrets

RESULTS = ResultsFolder(Path("/data/results"))


def test_the_environment_comes_first() -> None:
    uri = "http://tracking:5000"
    assert default_uri(RESULTS, {"MLFLOW_TRACKING_URI": uri}) == uri


@pytest.mark.parametrize("environment", [{}, {"MLFLOW_TRACKING_URI": " "}])
def test_then_the_results_folder(environment: dict[str, str]) -> None:
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    assert default_uri(RESULTS, environment) == "sqlite:////data/results/mlflow.db"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://host:5000/path", "http://host:5000/path"),
        ("https://me:p%40ss@host/path", "https://host/path"),
        ("postgresql://me:a:b@host/db?password=word", "postgresql://host/db"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
    ],
)
def test_secrets_are_not_shown(uri: str, expected: str) -> None:
    assert shown(uri) == expected


def test_a_command_keeps_the_place_of_the_secret() -> None:
    assert masked("https://me:word@host/path") == "https://***@host/path"


@pytest.mark.parametrize(
    "message",
    [
        "request to https://me:p%40ss@host/api failed",
        "cannot open p%40ss or p@ss of https://me:p@ss@host",
        "https://me:p%40ss@host: HTTPSConnectionPool(host='host'): me:p%40ss",
    ],
)
def test_a_message_is_free_of_them(message: str) -> None:
    found = without_secrets(message, "https://me:p%40ss@host")
    assert "p%40ss" not in found
    assert "p@ss" not in found
    assert "host" in found
