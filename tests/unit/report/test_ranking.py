"""The ranking as a data frame: what the page and the terminal show, as numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

import multiverse
from multiverse.errors import ResultsError
from multiverse.runs.results import Results
from tests.unit.report.made import scored_folder


def test_ranks_values_and_what_each_is_behind_by(tmp_path: Path) -> None:
    folder = scored_folder(
        tmp_path / "r", {"pca": (0.5, 0.5), "mofa": (0.9, 0.9), "cobolt": (0.899, 0.9)}
    )
    found = multiverse.ranking(folder.folder)
    assert list(found["configuration"]) == ["mofa", "cobolt", "pca"]
    assert list(found["rank"]) == [1, 1, 3]
    assert set(found["score"]) == {"total"}
    assert found["value"].tolist() == pytest.approx([0.9, 0.8994, 0.5])
    assert found["behind"].tolist() == pytest.approx([0, 0.0006, 0.4])
    second, third = found.iloc[1], found.iloc[2]
    assert second["behind_low"] < 0 < second["behind_high"]
    assert 0 < third["behind_low"] < 0.4 < third["behind_high"]
    assert (found["low"] < found["value"]).all()
    assert multiverse.ranking(Results.open(folder)).equals(found)


def test_what_is_not_ranked_has_no_rows(tmp_path: Path) -> None:
    folder = scored_folder(tmp_path / "r", {"pca": (None, 0.5), "mofa": (None, 0.9)})
    assert multiverse.ranking(folder.folder).empty
    with pytest.raises(ResultsError):
        multiverse.ranking(tmp_path / "none")
