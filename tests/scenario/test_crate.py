"""The research object passes the public validator of its profile, in an environment of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from multiverse.images.environment import make_environment
from multiverse.registry.home import cache
from multiverse.report.crate.write import write_crate
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from tests.conftest import REPOSITORY
from tests.unit.report.made import (
    keep_failure,
    make_record,
    publish_run,
    scored_folder,
    write_embeddings,
)

LOCK = REPOSITORY / "requirements" / "crate-validator.txt"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
#: Terms that the context of a later version has and that of 1.1 has not.
LATER = {"sha256"}
#: Puts the context into the validator's own cache, so that it needs no network.
FILL = """
import io, sys
from pathlib import Path
from requests import Request, Response
from requests_cache import CachedSession
from urllib3 import HTTPResponse

body = Path(sys.argv[2]).read_bytes()
answer = Response()
answer.status_code, answer.url = 200, sys.argv[3]
answer.headers["Content-Type"] = "application/ld+json"
answer.request = Request("GET", sys.argv[3]).prepare()
answer.raw = HTTPResponse(io.BytesIO(body), answer.headers, 200, preload_content=False)
answer._content = body
CachedSession(sys.argv[1], backend="sqlite", expire_after=-1).cache.save_response(answer)
"""


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The validator's Python, with the context of RO-Crate 1.1 in its cache.

    The library ships the context of a later version, in which every term that is used here
    means the same; what is new in it is taken away.
    """
    folder = cache() / "crate-validator"
    shutil.rmtree(folder, ignore_errors=True)
    python = make_environment(LOCK, folder, compiled=False)
    shipped = json.loads(files("rocrate").joinpath("data", "ro-crate.jsonld").read_text("utf-8"))
    terms = {name: term for name, term in shipped["@context"].items() if name not in LATER}
    context = tmp_path_factory.mktemp("context") / "context.jsonld"
    context.write_text(json.dumps({"@context": terms}))
    filled = [str(python), "-c", FILL, str(folder / "http"), str(context), CONTEXT]
    subprocess.run(filled, check=True, capture_output=True, text=True)
    return python


def validate(validator: Path, folder: Path, report: Path) -> list[dict[str, Any]]:
    """The issues that the validator finds; it must have looked at the whole profile."""
    command = [
        str(validator.with_name("rocrate-validator")), "--disable-color", "validate",
        "--profile-identifier", "process-run-crate", "--no-auto-profile",
        "--requirement-severity", "required", "--offline",
        "--cache-path", str(validator.parents[1] / "http"),
        "--output-format", "json", "--output-file", str(report), "--no-paging", str(folder),
    ]  # fmt: skip
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert report.is_file(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    assert found["passed"] is (not found["issues"]), done.stdout
    assert (done.returncode == 0) is found["passed"]
    issues: list[dict[str, Any]] = found["issues"]
    return issues


def whole(path: Path) -> ResultsFolder:
    """Runs, scores, embeddings, failures and names that a file system allows."""
    results = scored_folder(path, seeds=(0, 1))
    run = publish_run(results, make_record("my_model", changed={"$x": "<b>\x1b[31m"}, image=None,
                                           environment_lock="c" * 64))  # fmt: skip
    write_embeddings(results, {"my_model": run.run_id}, ["B", "T"] * 10)
    folder = results.run("pbmc", "my_model", run.run_id).folder
    for name in ("a b#1%41.txt", "ü?&=.txt", "back\\slash", "@id", "100%", "a:b"):
        (folder / name).write_text(name)
    keep_failure(results, message="\x00 <script> \u202e")
    return results


@pytest.mark.timeout(600)
def test_the_public_validator_accepts_it(validator: Path, tmp_path: Path) -> None:
    results = whole(tmp_path / "r")
    write_crate(Results.open(results))
    assert validate(validator, results.folder, tmp_path / "report.json") == []
    # (The validator itself stumbles over a space or a # in the path that leads to a crate.)
    moved = tmp_path / "elsewhere" / "moved"
    shutil.copytree(results.folder, moved)
    shutil.rmtree(results.folder)
    assert validate(validator, moved, tmp_path / "moved.json") == []


@pytest.mark.timeout(600)
def test_the_validator_would_have_found_a_mistake(validator: Path, tmp_path: Path) -> None:
    results = whole(tmp_path / "r")
    crate = json.loads(write_crate(Results.open(results)).read_text())
    for entity in crate["@graph"]:
        if entity["@type"] == "CreateAction":
            entity.pop("instrument")
        if entity["@id"] == "./":
            entity.pop("license")
    results.crate.write_text(json.dumps(crate))
    messages = str(validate(validator, results.folder, tmp_path / "report.json"))
    assert "instrument" in messages
    assert "license" in messages
