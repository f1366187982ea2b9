"""A results folder that 1.0 wrote is read as 1.0 read it."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from multiverse.report.page import write_page
from multiverse.report.tables import write_scores
from multiverse.runs.results import Results
from multiverse.runs.status import Standing, StatusReader
from multiverse.runs.table import write_table
from multiverse.verify.comparison import DifferenceKind
from multiverse.verify.verify import verify_results

OLD = Path(__file__).resolve().parents[2] / "data" / "results-1.0"


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A copy, with the modes of published files: they are part of no repository."""
    shutil.copytree(OLD, tmp_path / "results")
    return Results.open(tmp_path / "results")


def test_its_runs_and_scores(results: Results) -> None:
    states = {run.record.model: str(run.record.state) for run in results}
    assert states == {"mofa": "complete", "pca": "complete", "totalvi": "failed"}
    assert results.damaged == ()
    assert [run.record.model for run in results.failed] == ["totalvi"]
    np.testing.assert_array_equal(
        results["pca"].embedding(), np.arange(12, dtype=np.float32).reshape(6, 2)
    )
    table = results.to_anndata("pbmc")
    assert sorted(table.obsm) == ["X_mofa", "X_pca"]
    assert list(table.obs_names) == [f"cell{number}" for number in range(6)]
    scores = results.scores()
    totals = scores[scores["metric"] == "total"].set_index("model")["value"]
    assert totals.to_dict() == pytest.approx({"pca": 0.64, "mofa": 0.66})


def test_its_tables_are_those_of_then(results: Results) -> None:
    """With the columns that came since: differences of scores were not kept then."""
    write_table(results)
    write_scores(results)
    assert results.paths.runs_table.read_bytes() == (OLD / "runs.csv").read_bytes()
    now, then = (
        list(csv.DictReader(path.read_text().splitlines()))
        for path in (results.paths.scores_table, OLD / "scores.csv")
    )
    assert [{name: row[name] for name in then[0]} for row in now] == then
    assert now[0].keys() - then[0].keys() == {"rank", "scaled_rank"}
    assert {row["rank"] for row in now} == {"", "1"}, "nothing is told apart"


def test_its_page(results: Results) -> None:
    page = write_page(results).read_text(encoding="utf-8")
    assert "it needed more than 1 GiB" in page
    assert all(model in page for model in ("pca", "mofa", "totalvi"))


def test_it_is_whole(results: Results) -> None:
    kinds = {difference.kind for difference in verify_results(results.paths).differences}
    assert kinds == {DifferenceKind.WRONG_IDENTITY}, "only the ids, which are made up"
    status = StatusReader(results.paths).look()
    assert len(status.of(Standing.COMPLETE)) == 2
    assert [job.name for job in status.of(Standing.FAILED)] == ["pbmc/totalvi seed 0"]
