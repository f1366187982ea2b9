"""Coordinates packed for the page, and files of embeddings as they may be found."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiverse.report.page.atlas import LAST, NOWHERE, Atlas, quantised, read_atlas
from multiverse.report.page.source import read_sources
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from tests.unit.report.page.folder import (
    Data,
    add_embeddings,
    add_run,
    make_cells,
    make_folder,
)


def atlas_of(results: ResultsFolder) -> Atlas:
    return read_atlas(read_sources(Results.open(results))[0])


def test_places_keep_their_proportions() -> None:
    points = np.random.default_rng(0).normal(size=(500, 2)) * (5, 1) + (100, -3)
    x, y, missing = quantised(points)
    side = float(np.ptp(points, axis=0).max())
    back = np.stack([x, y], axis=1) / LAST * side
    want = points - points.min(axis=0)
    error = back - want
    assert np.abs(error - error[0]).max() <= side / LAST  # one rounding either way
    assert missing == 0


def test_cells_without_a_place() -> None:
    x, y, missing = quantised(np.array([[0, 0], [np.nan, 1], [2, np.inf], [1, 1]]))
    assert missing == 2
    assert (x == NOWHERE).tolist() == [False, True, True, False]
    assert (y == NOWHERE).tolist() == [False, True, True, False]


def test_one_cell_and_none() -> None:
    assert quantised(np.array([[3.0, 4.0]]))[2] == 0
    assert quantised(np.full((2, 2), np.nan))[2] == 2


def test_columns_begin_with_label_batch_and_depths(tmp_path: Path) -> None:
    cells = make_cells(20)[["mito", "rna_depth", "batch", "cell_type"]]
    atlas = atlas_of(make_folder(tmp_path, data=Data(cells=cells)))
    assert atlas.columns == ("cell_type", "batch", "rna_depth", "mito")


def test_pictures_come_in_the_order_of_the_comparison(tmp_path: Path) -> None:
    results = make_folder(tmp_path, ("pca", "mofa", "cobolt"), totals=(0.9, 0.1, 0.5))
    # runs are listed by model: cobolt, mofa, pca
    assert [picture.title for picture in atlas_of(results).pictures] == ["pca", "cobolt", "mofa"]


def test_a_file_of_other_data_is_not_taken(tmp_path: Path) -> None:
    results, data, other = ResultsFolder(tmp_path), Data(), Data("other")
    record = add_run(results, data, "pca")
    path = add_embeddings(results, other, [record])
    path.parent.replace(tmp_path / "kept")
    (tmp_path / "kept" / "embeddings.h5ad").replace(results.embeddings("small"))
    assert "it is of another dataset" in atlas_of(results).problem


def test_what_a_file_says_counts_not_what_it_is_called(tmp_path: Path) -> None:
    """The file that has this fingerprint's name is of other data, and the other way round."""
    results, data = ResultsFolder(tmp_path), Data()
    record = add_run(results, data, "pca")
    other = Data(slug="other")
    path = add_embeddings(results, other, [record])
    results.embeddings("small").parent.mkdir(exist_ok=True)
    path.replace(results.embeddings("small").with_name(f"embeddings-{data.fingerprint[:8]}.h5ad"))
    assert "it is of another dataset" in atlas_of(results).problem
    path = add_embeddings(results, data, [record])
    path.replace(path.with_name(f"embeddings-{other.fingerprint[:8]}.h5ad"))
    assert [picture.run_id for picture in atlas_of(results).pictures] == [record.run_id]


def test_the_intact_file_wins(tmp_path: Path) -> None:
    results, data = ResultsFolder(tmp_path), Data()
    record = add_run(results, data, "pca")
    path = add_embeddings(results, data, [record])
    path.replace(path.with_name(f"embeddings-{data.fingerprint[:8]}.h5ad"))
    path.write_bytes(b"of another fingerprint, or damaged")
    assert len(atlas_of(results).pictures) == 1


def test_names_that_do_not_fit_become_numbers(tmp_path: Path) -> None:
    cells = make_cells(20_000)
    cells.index = [f"{'barcode' * 8}-{i}" for i in range(len(cells))]
    atlas = atlas_of(make_folder(tmp_path, ["pca"], data=Data(cells=cells)))
    assert atlas.content is not None
    assert atlas.content["names"] == []
    assert "by number" in atlas.notes[0]


def test_columns_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    cells = make_cells(30)
    for number in range(60):
        cells[f"extra{number}"] = np.arange(30) / 7
    atlas = atlas_of(make_folder(tmp_path, ["pca"], data=Data(cells=cells)))
    assert len(atlas.columns) == 40
    assert "24 columns" in atlas.notes[0]
