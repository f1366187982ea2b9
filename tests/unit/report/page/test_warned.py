"""A run's warning is a mark beside its model in the table, the UMAPs, the summary, the figures."""

from __future__ import annotations

from pathlib import Path

from multiverse.report.figures.write import write_figures
from multiverse.report.page import write_page
from multiverse.report.page.atlas import read_atlas
from multiverse.report.page.headline import make_headline
from multiverse.report.page.source import DatasetSource, read_sources
from multiverse.report.page.table import make_table
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from tests.unit.report.page.folder import Data, add_embeddings, add_run, add_scores

WARNING = "the posterior collapsed:\x1b[2J 0 of 20 dimensions are active"
SAID = "The posterior collapsed: [2J 0 of 20 dimensions are active."


def results_in(folder: Path, *, scored: bool = True) -> Results:
    """A folder in which totalvi warns, and mofa does not."""
    paths, data = ResultsFolder(folder), Data()
    records = [add_run(paths, data, "totalvi", warnings=(WARNING,)), add_run(paths, data, "mofa")]
    if scored:
        add_scores(paths, data, records)
        add_embeddings(paths, data, records)
    return Results.open(folder)


def source_in(folder: Path, *, scored: bool = True) -> DatasetSource:
    return read_sources(results_in(folder, scored=scored))[0]


def test_the_summary_says_it(tmp_path: Path) -> None:
    assert make_headline(source_in(tmp_path)).warnings[-1] == f"⚠ totalvi: {SAID}"


def test_the_summary_says_it_of_what_has_no_scores(tmp_path: Path) -> None:
    found = make_headline(source_in(tmp_path, scored=False))
    assert found.warnings == (f"⚠ totalvi: {SAID}",)


def test_its_row_of_the_table_has_it(tmp_path: Path) -> None:
    table = make_table(source_in(tmp_path))
    assert table is not None
    assert {row.label.shown: row.warned for row in table.rows} == {"totalvi": SAID, "mofa": ""}
    assert {row.warned for row in table.controls} == {""}


def test_its_picture_is_marked_and_the_words_stand_above(tmp_path: Path) -> None:
    atlas = read_atlas(source_in(tmp_path))
    assert {picture.title for picture in atlas.pictures} == {"totalvi ⚠", "mofa"}
    assert atlas.content is not None
    full = {picture["title"]: picture["full"] for picture in atlas.content["pictures"]}
    assert full == {"totalvi ⚠": f"totalvi: {SAID}", "mofa": ""}
    assert atlas.warned == (f"⚠ totalvi: {SAID}",)


def test_the_page_has_it_in_all_of_these_places(tmp_path: Path) -> None:
    page = write_page(results_in(tmp_path), None).read_text()
    assert page.count(f'<p class="warning">⚠ totalvi: {SAID}</p>') == 2
    assert f'data-tip="{SAID}">⚠ warning' in page


def test_the_figures_mark_it(tmp_path: Path) -> None:
    files = [path for path in write_figures(results_in(tmp_path)) if path.suffix == ".svg"]
    drawn = {path.name.partition("-")[0]: path.read_text() for path in files}
    assert ">totalvi ⚠<" in drawn["table"]
    assert ">mofa<" in drawn["table"]
    assert "⚠: the model warns of its result." in drawn["table"]
    assert ">totalvi ⚠<" in drawn["umap"]
    assert ">mofa<" in drawn["umap"]
