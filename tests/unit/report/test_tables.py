"""``scores.csv``: every number with its digits, every gap with its reason, no formula."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from multiverse.contract.scores import Reason
from multiverse.report.tables import COLUMNS, write_scores
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from tests.unit.report.made import (
    make_evaluation,
    make_member,
    make_record,
    publish_run,
    scored_folder,
    write_evaluation,
)


def rows(results: ResultsFolder) -> list[dict[str, str]]:
    with write_scores(Results.open(results)).open(newline="") as stream:
        reader = csv.DictReader(stream)
        assert tuple(reader.fieldnames or ()) == COLUMNS
        return list(reader)


def one(found: list[dict[str, str]], **wanted: str) -> dict[str, str]:
    matching = [row for row in found if wanted.items() <= row.items()]
    assert len(matching) == 1
    return matching[0]


def test_every_score_has_a_row(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r", {"pca": (1 / 3, 2 / 3)}, seeds=(0, 1))
    found = rows(results)
    # Two runs and two controls; five metrics, the two parts of one, three aggregates.
    assert len(found) == 4 * (5 + 2 + 3)
    run = one(found, model="pca", seed="1", metric="leiden_nmi")
    assert float(run["value"]) == 1 / 3
    assert (run["dataset"], run["group"], run["kind"]) == ("pbmc", "bio", "run")
    assert run["configuration"] == "pca"
    assert (run["n_cells"], run["seconds"], run["clipped"]) == ("60", "0.5", "false")
    assert float(run["interval_sd"]) == 0.01
    total = one(found, model="pca", seed="1", metric="total")
    assert float(total["value"]) == 0.6 * (1 / 3) + 0.4 * (2 / 3)
    assert (total["group"], total["coverage"]) == ("aggregate", "4 of 4")
    part = one(found, model="random", part="adt")
    assert (part["kind"], part["seed"], part["value"]) == ("control", "", "0.3")


def test_ranks_stand_beside_the_score_that_they_are_of(tmp_path: Path) -> None:
    found = rows(scored_folder(tmp_path / "r", {"pca": (0.5, 0.5), "mofa": (0.9, 0.9)}))
    assert one(found, model="mofa", metric="total")["rank"] == "1"
    assert one(found, model="pca", metric="total")["rank"] == "2"
    assert {row["rank"] for row in found if row["metric"] != "total"} == {""}


def test_the_same_metric_computed_otherwise_is_a_part(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    record = publish_run(results, make_record())
    member = make_member("pca", 0.5, 0.5)
    score = member.scores["leiden_nmi"].model_copy(update={"variants": {"resolution_1": 0.4}})
    member = member.model_copy(update={"scores": {**member.scores, "leiden_nmi": score}})
    write_evaluation(results, make_evaluation({record.run_id: member}))
    assert one(rows(results), part="resolution_1")["value"] == "0.4"


def test_scaled_means_have_a_coverage_of_their_own(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    record = publish_run(results, make_record())
    member = make_member("pca", 0.5, 0.5)
    bio = member.bio.model_copy(update={"scaled_available": 1, "scaled_clipped": True})
    evaluation = make_evaluation({record.run_id: member.model_copy(update={"bio": bio})})
    write_evaluation(results, evaluation)
    row = one(rows(results), metric="bio", kind="run")
    assert (row["coverage"], row["scaled_coverage"], row["clipped"]) == ("2 of 2", "1 of 2", "true")
    older = one(rows(results), metric="batch", kind="run")
    assert (older["scaled_coverage"], older["clipped"]) == ("", "false")


def test_what_is_not_available_is_empty_and_has_a_reason(tmp_path: Path) -> None:
    found = rows(scored_folder(tmp_path / "r", {"pca": (None, 0.5)}))
    row = one(found, model="pca", metric="clisi")
    assert (row["value"], row["reason"]) == ("", "no labels")
    assert row["detail"] == "obs has no such column"
    assert one(found, model="pca", metric="total")["reason"] == "it needs both groups"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("x")'])
def test_text_is_never_a_formula_and_numbers_stay_numbers(tmp_path: Path, text: str) -> None:
    results = ResultsFolder(tmp_path)
    record = publish_run(results, make_record())
    member = make_member("pca", -0.25, 0.5)
    score = member.scores["bras"].model_copy(
        update={"value": None, "reason": Reason.METRIC_FAILED, "detail": text}
    )
    hostile = member.model_copy(update={"scores": {**member.scores, "bras": score}, "name": text})
    write_evaluation(results, make_evaluation({record.run_id: hostile}))
    found = rows(results)
    row = one(found, metric="bras", kind="run")
    assert row["detail"] == f"'{text}"
    assert row["model"] == f"'{text}"
    assert one(found, metric="clisi", kind="run")["value"] == "-0.25"


def test_a_run_that_has_gone_is_no_row(tmp_path: Path) -> None:
    """As it is none of the page and of a comparison."""
    results = scored_folder(tmp_path / "r", {"pca": (0.5, 0.5), "mofa": (0.7, 0.7)})
    (gone,) = [run for run in Results.open(results).runs if run.record.model == "mofa"]
    shutil.rmtree(gone.folder)
    assert {row["model"] for row in rows(results) if row["kind"] == "run"} == {"pca"}


def test_damaged_scores_hide_only_themselves(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r")
    results.scores("other").parent.mkdir()
    results.scores("other").write_text("{")
    assert {row["dataset"] for row in rows(results)} == {"pbmc"}
