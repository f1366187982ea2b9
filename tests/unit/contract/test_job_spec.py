"""The job as a model is told it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from multiverse.contract import ContainerPaths, JobSpec
from multiverse.errors import UsageError

CONTENT: dict[str, Any] = {
    "contract_version": "1",
    "seed": 0,
    "dataset_id": "sha256:" + "0" * 64,
    "dataset_name": "pbmc",
    "model_name": "pca",
    "model_version": "1.0.0",
    "image": {"tag": "multiverse-pca:1.0.0", "digest": "sha256:" + "1" * 64},
    "hyperparameters": {"n_components": 50},
    "preprocessing": {},
    "modalities": ["rna"],
    "batch_key": None,
    "device": "cpu",
    "run_settings": {"experiment_name": "demo", "tags": {}},
}


def write(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps({**CONTENT, **changes}))
    return path


def test_round_trip(tmp_path: Path) -> None:
    job = JobSpec.read(write(tmp_path / "job_spec.json"))
    assert json.loads(job.to_json()) == CONTENT


def test_every_field_of_the_design_is_there() -> None:
    assert set(JobSpec.model_fields) == set(CONTENT)


def test_the_schema_accepts_what_the_class_accepts() -> None:
    Draft202012Validator(JobSpec.json_schema()).validate(CONTENT)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sede": 1}, "sede"),
        ({"seed": "1"}, "seed"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"device": "gpu"}, "device"),
        ({"device": "cuda:0; rm -rf /"}, "device"),
        ({"modalities": []}, "modalities"),
        ({"image": {"tag": "x"}}, "digest"),
        ({"contract_version": "2"}, "version 2"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        JobSpec.read(write(tmp_path / "job_spec.json", **changes))


def test_missing_and_linked_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        JobSpec.read(tmp_path / "job_spec.json")
    (tmp_path / "link").symlink_to(write(tmp_path / "real"))
    with pytest.raises(UsageError, match="symbolic link"):
        JobSpec.read(tmp_path / "link")


def test_paths_of_the_contract_unless_the_environment_says_otherwise() -> None:
    paths = ContainerPaths.from_environment({})
    assert (str(paths.data), str(paths.output.folder)) == ("/input/data.h5mu", "/output")
    moved = ContainerPaths.from_environment({"MULTIVERSE_INPUT": "/a", "MULTIVERSE_OUTPUT": "/b"})
    assert (str(moved.data), str(moved.output.embeddings)) == ("/a", "/b/embeddings.h5")
