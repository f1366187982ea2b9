"""Which files are copied, and that only what was published is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from multiverse.contract.files import FileTooLarge, NotARegularFile
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.tracking.files import Artifact, NotAsPublished, artifacts_of, stage
from tests.unit.tracking.made import keep_tracked, publish_tracked


def test_a_private_copy_is_sent(tmp_path: Path) -> None:
    publish_tracked(ResultsFolder(tmp_path), embedding=b"e" * 3_000_000)
    (run,) = Results.open(tmp_path).runs
    copies = tmp_path / "copies"
    copies.mkdir()
    artifacts = artifacts_of(run, 10**9)
    assert stage(artifacts, copies) == {}
    assert len(list(copies.iterdir())) == len(artifacts) == 7
    for artifact in artifacts:
        copy = copies / artifact.path.name
        assert copy.read_bytes() == artifact.path.read_bytes()
        assert not copy.samefile(artifact.path)
        assert os.access(copy, os.W_OK), "a store that writes over it later must be able to"


def test_of_a_failure_only_what_explains_it(tmp_path: Path) -> None:
    """The model could have changed its own job, and its embedding is none."""
    attempt = keep_tracked(ResultsFolder(tmp_path))
    attempt.output.embeddings.write_bytes(b"not an embedding")
    attempt.output.job_spec.write_text("{}")
    (run,) = Results.open(tmp_path).runs
    names = {artifact.path.name for artifact in artifacts_of(run, 10**9)}
    assert names == {"run.json", "run.log", "container.log"}


def test_a_record_can_not_name_files_elsewhere(tmp_path: Path) -> None:
    checksums = {"../../../secret": "sha256:0", "/etc/passwd": "sha256:0", "run.log": "sha256:0"}
    publish_tracked(ResultsFolder(tmp_path))
    (run,) = Results.open(tmp_path).runs
    hostile = run.record.model_copy(update={"checksums": checksums})
    found = artifacts_of(type(run)(hostile, run.folder), 0)
    assert {artifact.path for artifact in found} == {
        run.folder / "run.json",
        run.folder / "run.log",
    }


def test_what_can_not_be_sent_is_named(tmp_path: Path) -> None:
    file, link, pipe = tmp_path / "file", tmp_path / "link", tmp_path / "pipe"
    file.write_text("content")
    link.symlink_to(file)
    os.mkfifo(pipe)
    cases = [
        (Artifact(file, 3), FileTooLarge),
        (Artifact(file, 100, "sha256:0"), NotAsPublished),
        (Artifact(link, 100), NotARegularFile),
        (Artifact(pipe, 100), NotARegularFile),
        (Artifact(tmp_path / "none", 100), FileNotFoundError),
    ]
    for artifact, error in cases:
        with pytest.raises(error):
            artifact.read()
        copies = tmp_path / "copies"
        copies.mkdir(exist_ok=True)
        assert list(stage([artifact], copies)) == [artifact.path.name]
        assert not list(copies.iterdir())
