"""Labels, batches and embeddings are joined by the names of cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from multiverse.errors import DatasetError, ResultsError
from multiverse.evaluation.embeddings import n_dimensions, read_embedding
from multiverse.evaluation.sheet import CellColumn, read_sheet
from tests.inside.evaluate.cases import blobs, sheet_of, write_embedding
from tests.unit.worker.worker_jobs import simulate

N = 40


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.h5mu"
    simulate(N, ("rna",)).write_h5mu(path)
    return path


def write_labels(path: Path, table: pd.DataFrame) -> Path:
    AnnData(obs=table).write_h5ad(path)
    return path


def test_labels_are_joined_by_name(data: Path, tmp_path: Path) -> None:
    cells = list(simulate(N, ("rna",)).obs_names)
    kinds = [f"kind {number % 4}" for number in range(N)]
    kinds[7] = "unassigned"
    table = pd.DataFrame({"kind": kinds}, index=cells).iloc[::-1].drop(index=cells[:3])
    labels = write_labels(tmp_path / "labels.h5ad", table)
    sheet = read_sheet(
        data, labels, batch_key="donor", label_key="kind", unlabelled=("unassigned",)
    )
    assert sheet.labels is not None
    assert sheet.batches is not None
    assert list(sheet.cells) == cells
    for row, code in enumerate(sheet.labels.codes):
        expected = None if row < 3 or row == 7 else kinds[row]
        assert (sheet.labels.names[code] if code >= 0 else None) == expected
    assert sheet.n_unlabelled == 4
    assert sum(sheet.labels.counts.values()) == N - 4
    assert sheet.batches.names == ("d0", "d1")
    assert sheet.position[cells[9]] == 9


def test_what_is_not_registered_is_none(data: Path, tmp_path: Path) -> None:
    sheet = read_sheet(data, tmp_path / "absent.h5ad", batch_key=None, label_key=None)
    assert (sheet.labels, sheet.batches, sheet.n_unlabelled) == (None, None, 0)


def test_a_column_that_is_gone_is_an_error(data: Path, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "labels.h5ad", pd.DataFrame({"kind": ["a"]}, index=["c"]))
    with pytest.raises(DatasetError, match=r"data\.h5mu has no column 'site'"):
        read_sheet(data, labels, batch_key="site", label_key=None)
    with pytest.raises(DatasetError, match=r"labels\.h5ad has no column 'type'"):
        read_sheet(data, labels, batch_key=None, label_key="type")


def test_categories_are_text_by_name() -> None:
    column = CellColumn.of(pd.Series(pd.Categorical([10, 9, None, 10], categories=[9, 10, 11])))
    assert column.names == ("10", "9"), "a category that no cell has is none"
    assert column.codes.tolist() == [0, 1, -1, 0]
    assert column.counts == {"10": 2, "9": 1}
    part = column.take(np.array([1, 2]))
    assert (part.names, part.codes.tolist()) == (("9",), [0, -1])


def test_rows_of_an_embedding_are_those_of_its_names(tmp_path: Path) -> None:
    sheet, points = sheet_of(N), blobs(N).points
    order = np.random.default_rng(0).permutation(N)
    path = tmp_path / "run.h5"
    write_embedding(path, points[order], [sheet.cells[row] for row in order])
    assert np.array_equal(read_embedding(path, sheet), points)
    link = tmp_path / "link.h5"  # as the engine `local` gives its inputs
    link.symlink_to(path)
    assert np.array_equal(read_embedding(link, sheet), points)
    assert n_dimensions(link) == points.shape[1]


@pytest.mark.parametrize("names", [["c0"] * N, [f"x{number}" for number in range(N)], []])
def test_other_cells_are_refused(tmp_path: Path, names: list[str]) -> None:
    write_embedding(tmp_path / "run.h5", blobs(N).points, names)
    with pytest.raises(ResultsError, match="not those of the dataset"):
        read_embedding(tmp_path / "run.h5", sheet_of(N))
