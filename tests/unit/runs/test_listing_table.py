"""``runs.csv``: every run with its numbers, and nothing that a spreadsheet computes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.table import COLUMNS, write_table
from tests.unit.report.made import keep_failure, make_record, publish_run


def rows(results: ResultsFolder) -> list[dict[str, str]]:
    write_table(Results.open(results))
    with results.runs_table.open(newline="") as stream:
        reader = csv.DictReader(stream)
        assert tuple(reader.fieldnames or ()) == COLUMNS
        return list(reader)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", '=HYPERLINK("x")']
)
def test_text_is_never_a_formula(tmp_path: Path, text: str) -> None:
    results = ResultsFolder(tmp_path)
    publish_run(results, make_record(model_version=text, parameters={text: 1}))
    keep_failure(results, message=text)
    complete, failed = rows(results)
    assert complete["model_version"] == f"'{text}"
    assert complete["parameters"] == f"'{text}=1"
    assert failed["message"] == f"'{text}"


def test_numbers_and_gaps_stay_what_they_are(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    record = publish_run(results, make_record(seed=-3, image=None))
    (row,) = rows(results)
    assert (row["seed"], row["wall_seconds"], row["peak_memory_bytes"]) == (
        "-3",
        "12.5",
        str(300 * 2**20),
    )
    assert (row["cause"], row["image_tag"], row["state"]) == ("", "", "complete")
    assert row["folder"] == f"pbmc/pca/{record.run_id}"


def test_text_holds_no_commands_for_a_terminal(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    publish_run(results, make_record(parameters={"\x1b[31mred\u202e": "\x9b2J"}))
    keep_failure(results, message="two\nlines")
    complete, failed = rows(results)
    assert complete["parameters"] == r"\x1b[31mred\u202e=\x9b2J"
    assert failed["message"] == "two\nlines"
