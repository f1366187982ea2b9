"""What a research object says of the runs; that it is valid is tested with the public validator."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from multiverse.errors import ResultsError
from multiverse.facts import Cause
from multiverse.report.crate.write import COMPLETED, FAILED, LICENCE, write_crate
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from tests.unit.report.made import keep_failure, make_record, publish_run, scored_folder

Entity = dict[str, Any]


def graph(results: ResultsFolder) -> dict[str, Entity]:
    content = json.loads(write_crate(Results.open(results)).read_text())
    assert content["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    found = {entity["@id"]: entity for entity in content["@graph"]}
    assert len(found) == len(content["@graph"])
    return found


def targets(value: Any) -> list[str]:
    return [item["@id"] for item in (value if isinstance(value, list) else [value])]


def actions(found: dict[str, Entity], start: str = "#run-") -> list[Entity]:
    return [item for name, item in found.items() if name.startswith(start)]


def test_a_run_is_an_action_with_software_data_and_files(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r", {"mofa": (0.5, 0.6)})
    found = graph(results)
    (action,) = actions(found)
    software = found[targets(action["instrument"])[0]]
    assert software["@type"] == "SoftwareApplication"
    assert (software["name"], software["softwareVersion"]) == ("MOFA+", "1.0.0")
    assert software["identifier"] == "sha256:" + "1" * 64
    assert targets(software["citation"]) == ["https://doi.org/10.1186/s13059-020-02015-1"]
    image = found[targets(action["containerImage"])[0]]
    assert (image["name"], image["tag"], image["sha256"]) == ("multiverse-mofa", "1.0.0", "1" * 64)
    data, job = targets(action["object"])
    assert (found[data]["name"], found[data]["identifier"]) == ("pbmc", "f" * 64)
    assert job.endswith("/job_spec.json")
    assert (action["startTime"], action["endTime"]) == (
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:12+00:00",
    )
    assert action["actionStatus"] == COMPLETED
    assert "agent" not in action
    assert "error" not in action
    names = {Path(name).name for name in targets(action["result"])}
    assert names >= {"embeddings.h5", "metrics.json", "run.json", "umap.png", "container.log"}


def test_files_are_relative_and_have_their_sums(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r")
    found = graph(results)
    described = [item for item in found.values() if item["@type"] == "File"]
    assert {item["@id"] for item in described} == set(targets(found["./"]["hasPart"]))
    for item in described:
        path = results.folder / unquote(item["@id"])
        assert item["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert item["contentSize"] == str(path.stat().st_size)
    on_disk = {path for path in results.folder.rglob("*") if path.is_file()}
    missing = {path.name for path in on_disk} - {
        unquote(i["@id"]).split("/")[-1] for i in described
    }
    assert missing == {"ro-crate-metadata.json"}
    assert str(tmp_path) not in results.crate.read_text()


def test_the_evaluation_is_an_action_on_the_embeddings(tmp_path: Path) -> None:
    found = graph(scored_folder(tmp_path / "r", {"pca": (0.5, 0.5), "mofa": (0.5, 0.5)}))
    (action,) = actions(found, "#evaluation-")
    _, *embeddings = targets(action["object"])
    assert {name.rpartition("/")[2] for name in embeddings} == {"embeddings.h5"}
    assert len(embeddings) == 2
    assert targets(action["result"]) == ["pbmc/scores.json"]
    software = found[targets(action["instrument"])[0]]
    library = found[targets(software["softwareRequirements"])[0]]
    assert (library["name"], library["softwareVersion"]) == ("scib-metrics", "0.5.10")
    assert set(targets(found["./"]["mentions"])) == {
        item["@id"] for item in found.values() if item["@type"] == "CreateAction"
    }


def test_figures_older_than_the_scores_are_left_out(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r")
    results.figures.mkdir()
    for name in ("table-pbmc.svg", "cost-pbmc.svg", "sketch.svg"):
        (results.figures / name).write_text("<svg/>")
    scored = results.scores("pbmc").stat().st_mtime_ns
    for name, time in (
        ("table-pbmc.svg", scored),
        ("cost-pbmc.svg", scored - 1),
        ("sketch.svg", 0),
    ):
        os.utime(results.figures / name, ns=(time, time))
    found = graph(results)
    listed = {name for name in found if name.startswith("figures/")}
    assert listed == {"figures/table-pbmc.svg", "figures/sketch.svg"}


def test_a_failed_run_is_an_action_that_failed(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r")
    failed = keep_failure(results, "cobolt", cause=Cause.TIME_LIMIT, message="it took 2h")
    action = graph(results)[f"#run-{failed.run_id}"]
    assert action["actionStatus"] == FAILED
    assert action["error"] == "time limit: it took 2h"
    assert "result" not in action


def test_no_licence_and_nobody_is_made_up(tmp_path: Path) -> None:
    found = graph(scored_folder(tmp_path / "r"))
    assert found["./"]["license"] == LICENCE
    kinds = {str(item["@type"]) for item in found.values()}
    assert not kinds & {"Person", "Organization"}
    assert found["./"]["datePublished"] == "2026-01-01T00:00:12+00:00"


def test_hostile_words_are_only_words(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    run = publish_run(results, make_record(changed={"</script>": 1}, model_version="1/../ #%"))
    folder = results.run("pbmc", "pca", run.run_id).folder
    (folder / "a b#1%41.txt").write_text("x")
    (folder / "outside").symlink_to("/etc/passwd")
    keep_failure(results, message="\x1b[31m" + "x" * 1_000_000)
    found = graph(results)
    assert f"pbmc/pca/{run.run_id}/a%20b%231%2541.txt" in found
    assert not any("outside" in name for name in found)
    for name in found:
        assert name.startswith(("https://w3id.org/", "https://doi.org/", "#", "./", "pbmc/", "ro-"))
        assert not set(name) & set(' <>"{}|\\^`')
    assert "\x1b" not in results.crate.read_text()
    assert results.crate.stat().st_size < 100_000


def test_an_empty_folder_is_described_too(tmp_path: Path) -> None:
    assert graph(ResultsFolder(tmp_path))["./"]["name"] == "multiverse benchmark on no dataset yet"
    with pytest.raises(ResultsError):
        write_crate(Results.open(tmp_path / "none"))
