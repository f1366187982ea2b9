"""One part that fails costs no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.errors import ResultsError
from multiverse.report.write import write_report
from multiverse.runs.results import Results
from tests.told import notes_into
from tests.unit.report.made import (
    make_evaluation,
    make_member,
    make_record,
    publish_run,
    scored_folder,
    write_embeddings,
    write_evaluation,
)


def test_all_parts_are_written(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r")
    said: list[str] = []
    report = write_report(Results.open(results), figures=True, tell=notes_into(said))
    assert report.failed == []
    assert report.exit_code == 0
    for path in (results.report, results.scores_table, results.crate):
        assert path in report.written
        assert path.stat().st_size > 0
    assert results.figures / "table-pbmc.svg" in report.written
    crate = results.crate.read_text()
    for name in ("report.html", "scores.csv", "figures/table-pbmc.svg"):
        assert f'"@id": "{name}"' in crate
    assert said[0] == "scores: written"
    assert len(said) == len(report.outputs) == 4


def test_figures_are_only_drawn_on_demand(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r")
    report = write_report(Results.open(results), output=tmp_path / "page.html")
    assert tmp_path / "page.html" in report.written
    assert not results.figures.exists()
    assert not results.report.exists()


def test_figures_that_are_there_are_drawn_anew(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r")
    write_report(Results.open(results), figures=True)
    figure = results.figures / "table-pbmc.svg"
    assert "cobolt" not in figure.read_text()
    record = publish_run(results, make_record("cobolt"))
    members = {record.run_id: make_member("cobolt", 0.5, 0.5)}
    write_evaluation(results, make_evaluation(members))
    report = write_report(Results.open(results))
    assert figure in report.written
    assert "cobolt" in figure.read_text()


def test_a_part_that_fails_is_said_and_costs_no_other(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r")
    write_embeddings(results, {}, ["B"] * 3)
    results.embeddings("pbmc").write_bytes(b"no HDF5")
    report = write_report(Results.open(results), figures=True)
    assert "figures" in {part.name for part in report.failed}
    assert report.exit_code == ResultsError.exit_code
    assert results.scores_table in report.written
    assert results.crate in report.written


def test_what_is_in_the_way_is_said(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r")
    results.scores_table.mkdir()
    report = write_report(Results.open(results))
    assert [part.name for part in report.failed] == ["scores"]
    assert report.failed[0].message.startswith("IsADirectoryError")
    assert report.exit_code == 1
    assert results.crate in report.written


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ResultsError):
        write_report(Results.open(tmp_path / "none"))
