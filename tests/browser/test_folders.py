"""Folders of every kind give a page that opens: few, many, failed, damaged, unscored."""

from __future__ import annotations

from pathlib import Path

from multiverse.facts import Cause, RunState
from multiverse.runs.folder import ResultsFolder
from tests.browser.conftest import Reader
from tests.unit.report.page.folder import (
    Data,
    add_embeddings,
    add_failure,
    add_run,
    add_scores,
    make_cells,
    make_folder,
)


def test_one_model(reader: Reader, tmp_path: Path) -> None:
    page = reader.open(make_folder(tmp_path, ["pca"]))
    assert "the only model that was scored" in page.locator(".answer").inner_text()
    assert page.locator(".picture").count() == 1
    assert page.locator(".run .chart canvas").count() > 0


def test_ten_datasets_and_fifty_runs(reader: Reader, tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    for number in range(10):
        data = Data(f"data{number}", make_cells(30))
        records = [add_run(results, data, f"model{model}") for model in range(5)]
        add_scores(results, data, records)
        add_embeddings(results, data, records)
    page = reader.open(results)
    assert page.locator(".headline").count() == 10
    assert page.locator(".scores").count() == 10
    assert page.locator(".run").count() == 50
    assert page.locator(".picture").count() == 50
    page.locator("nav a", has_text="data7").first.click()
    assert page.url.endswith("#comparison-d7")


def test_all_failed(reader: Reader, tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    add_failure(results, Data(), "pca", attempts=3)
    add_failure(
        results, Data(), "mofa", state=RunState.NOT_APPLICABLE, cause=Cause.NOT_APPLICABLE,
        message="one modality only",
    )  # fmt: skip
    page = reader.open(results)
    assert "No run completed" in page.locator(".answer").inner_text()
    failures = page.locator("#failures")
    assert "out of memory" in failures.inner_text()
    assert "it needed more than its 1 GiB" in failures.inner_text()
    assert failures.locator("tbody").first.locator("tr").count() == 3
    assert failures.locator(".chart canvas").count() > 0  # its epochs up to the end
    assert "one modality only" in page.locator("#unavailable").inner_text()


def test_not_scored_yet(reader: Reader, tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    add_run(results, Data(), "pca")
    page = reader.open(results)
    assert "multiverse evaluate RESULTS" in page.locator(".headline").inner_text()
    assert page.locator(".scores").count() == 0
    assert "embeddings.h5ad is not there yet" in page.locator("#umap").inner_text()


def test_neither_labels_nor_batches(reader: Reader, tmp_path: Path) -> None:
    data = Data(label=None, batch=None)
    page = reader.open(make_folder(tmp_path, data=data))
    assert "No model has a bio score" in page.locator(".answer").inner_text()
    assert "there are no labels" in page.locator("#unavailable").inner_text()
    assert page.locator(".picture").count() == 3
    assert "Labels: none" in page.locator("#dataset").inner_text()


def test_damaged_scores(reader: Reader, tmp_path: Path) -> None:
    results = make_folder(tmp_path)
    results.scores("small").write_text("{")
    page = reader.open(results)
    assert "can't be read as scores" in page.locator(".warning").first.inner_text()
    assert page.locator(".run").count() == 3


def test_damaged_embeddings(reader: Reader, tmp_path: Path) -> None:
    results = make_folder(tmp_path)
    results.embeddings("small").write_bytes(b"\x89HDF not really")
    page = reader.open(results)
    assert "embeddings.h5ad can't be read" in page.locator("#umap").inner_text()
    assert page.locator(".scores").count() == 1


def test_sections_come_in_order_and_are_named(reader: Reader, tmp_path: Path) -> None:
    page = reader.open(make_folder(tmp_path))
    ids = page.locator("main > section").evaluate_all("(all) => all.map((e) => e.id)")
    links = page.locator("nav a").evaluate_all("(all) => all.map((e) => e.hash.slice(1))")
    assert ids == links
    assert page.locator("main > section:not([aria-labelledby])").count() == 0
    named = page.locator(".chart").evaluate_all("(all) => all.map((e) => e.ariaLabel)")
    assert all(named)


def test_everything_with_a_tip_is_reached_by_keyboard(reader: Reader, tmp_path: Path) -> None:
    page = reader.open(make_folder(tmp_path))
    unreachable = page.locator("[data-tip]").evaluate_all(
        "(all) => all.filter((e) => e.tabIndex < 0).length"
    )
    assert unreachable == 0
