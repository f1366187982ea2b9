"""One command from a file to the report: runs, scores, MLflow; then what it left is used."""

from __future__ import annotations

import json
import re
from pathlib import Path

import anndata
import numpy as np
import pytest

import multiverse
from multiverse.demo.simulation import write_simulation
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.scores import ScoresFile
from tests.scenario.conftest import Command

SEEDS = (0, 1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two batches, four cell types, three modalities."""
    path = tmp_path / "cells.h5mu"
    write_simulation(path, n_cells=160)
    return path


def test_a_run_ends_with_scores_and_a_report(
    engine_name: str,
    source: Path,
    multiverse_command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for step in ("EVALUATE", "REPORT", "MLFLOW"):
        monkeypatch.delenv(f"MULTIVERSE_NO_{step}")
    output = tmp_path / "results"
    command = (
        "run", "--models", "pca", "--input", source, "--batch-key", "batch",
        "--label-key", "cell_type", "--seeds", *SEEDS, "--output", output, "--engine", engine_name,
    )  # fmt: skip
    done = multiverse_command(*command)
    assert done.code == 0, done.said
    assert "scores on cells" in done.out
    assert "report.html" in done.out
    results = ResultsFolder(output)
    _check_scores(results, engine_name)
    _check_files(results)
    _check_library(output)
    if engine_name == "local":  # once is enough: the engine is no part of it
        _check_python(output, source, engine_name)

    again = multiverse_command(*command, "--json")
    last = json.loads(again.out.splitlines()[-1])
    assert last["event"] == "concluded"
    assert [(part["scored"], part["known"]) for part in last["datasets"]] == [(0, len(SEEDS))]
    assert last["problems"] == []


def _check_scores(results: ResultsFolder, engine_name: str) -> None:
    (evaluation,) = ScoresFile.read(results.scores("cells")).evaluations
    assert len(evaluation.members) == len(SEEDS)
    names = {metric.name for metric in evaluation.metrics}
    for member in (*evaluation.members.values(), *evaluation.controls.values()):
        assert set(member.scores) == names
    for member in evaluation.members.values():
        # pca is deterministic: both seeds find the same neighbours.
        assert member.scores["seed_stability"].value == 1.0
        assert member.total.value is not None
        assert member.total.interval is not None
    random, oracle = (evaluation.controls[name] for name in ("random", "label_oracle"))
    assert oracle.bio.value is not None
    assert random.bio.value is not None
    assert oracle.bio.value > random.bio.value + 0.3
    (record,) = evaluation.records
    assert record.engine.name == engine_name
    assert (record.image is None) == (engine_name == "local")


def _check_files(results: ResultsFolder) -> None:
    page = results.report.read_text(encoding="utf-8")
    assert "cells" in page
    assert "http-equiv" in page
    assert results.scores_table.is_file()
    assert json.loads(results.crate.read_text())["@graph"]
    assert results.tracking.is_file()
    table = anndata.read_h5ad(results.embeddings("cells"))
    assert len([key for key in table.obsm if key.startswith("X_umap_")]) == len(SEEDS)
    assert {"batch", "cell_type", "rna_depth"} <= set(table.obs.columns)
    assert all(np.isfinite(table.obsm[key]).all() for key in table.obsm)
    assert not results.evaluations.exists()


def _check_library(output: Path) -> None:
    scores = multiverse.open_results(output).scores()
    totals = scores[scores["metric"] == "total"]
    assert len(totals) == len(SEEDS)
    assert totals["value"].between(0, 1).all()
    assert scores["value"].notna().sum() == len(scores) - (scores["reason"] != "").sum()


def _check_python(output: Path, source: Path, engine_name: str) -> None:
    """The same call in Python leaves the same files as the command, and finds the same."""
    place = output.with_name("python")
    results = multiverse.run(
        "pca", source, place, batch_key="batch", label_key="cell_type", seeds=SEEDS,
        engine=engine_name,
    )  # fmt: skip
    assert _files(place) == _files(output)
    assert (place / "benchmark.yaml").read_text() == (output / "benchmark.yaml").read_text()
    assert [run.record.seed for run in results] == list(SEEDS), "in the order of the request"
    columns = ["dataset", "model", "seed", "run", "metric", "group", "reason"]
    told, found = (
        item.scores().sort_values(columns[:5], ignore_index=True)
        for item in (multiverse.open_results(output), results)
    )
    assert found[columns].equals(told[columns])
    np.testing.assert_allclose(found["value"], told["value"], rtol=1e-6)
    planned = multiverse.preview("pca", source, place, batch_key="batch", label_key="cell_type",
                                 seeds=SEEDS, engine=engine_name)  # fmt: skip
    assert [job.prospect for job in planned] == ["complete"] * len(SEEDS)


def _files(folder: Path) -> set[str]:
    """Every file below, by its path; MLflow names its own runs anew each time."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {re.sub(r"\b[0-9a-f]{32}\b", "MLFLOW_RUN", path) for path in found}
