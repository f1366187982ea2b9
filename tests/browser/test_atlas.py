"""UMAPs in a real browser: colours, marked cells, zoom, legend, pages."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from multiverse.report.page.columns import OKABE_ITO
from multiverse.runs.folder import ResultsFolder
from tests.browser.conftest import Reader, place_of
from tests.unit.report.page.folder import (
    Data,
    add_embeddings,
    add_run,
    add_scores,
    make_folder,
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> ResultsFolder:
    folder = tmp_path_factory.mktemp("results")
    return make_folder(folder)


@pytest.fixture
def page(reader: Reader, results: ResultsFolder) -> Page:
    return reader.open(results)


def colours(page: Page, picture: int = 0) -> dict[str, int]:
    """Colour → pixels of one picture, those that fill a dot."""
    page.wait_for_timeout(100)  # the next frame
    shot = Image.open(io.BytesIO(page.locator(".plot").nth(picture).screenshot())).convert("RGB")
    found, counts = np.unique(np.asarray(shot).reshape(-1, 3), axis=0, return_counts=True)
    return {
        "#{:02X}{:02X}{:02X}".format(*colour): int(count)
        for colour, count in zip(found, counts, strict=True)
        if count > 5
    }


def test_colours_are_those_of_the_labels_first(page: Page) -> None:
    seen = colours(page)
    assert set(OKABE_ITO[:3]) <= set(seen)  # three labels
    assert not set(OKABE_ITO[3:]) & set(seen)


def test_switching_the_column_recolours_every_picture(page: Page) -> None:
    before = [colours(page, picture) for picture in range(3)]
    page.get_by_label("Colour by").select_option("batch")
    after = [colours(page, picture) for picture in range(3)]
    for old, new in zip(before, after, strict=True):
        assert OKABE_ITO[2] in old
        assert OKABE_ITO[2] not in new  # two batches
        assert set(OKABE_ITO[:2]) <= set(new)
    assert page.locator(".legend button").count() == 2


def test_numbers_have_a_continuous_scale(page: Page) -> None:
    page.get_by_label("Colour by").select_option("rna_depth")
    assert not set(OKABE_ITO) & set(colours(page))
    assert page.locator(".legend canvas").count() == 1
    assert len(colours(page)) > 10


def test_hovering_marks_the_cell_in_all_pictures(page: Page) -> None:
    page.locator(".plot").first.scroll_into_view_if_needed()
    cell = 17
    page.mouse.move(*place_of(page, 0, cell))
    page.locator(".spot:visible").first.wait_for()
    spots = page.locator(".spot")
    assert [spots.nth(i).get_attribute("data-cell") for i in range(3)] == [str(cell)] * 3
    for picture in range(3):
        box = spots.nth(picture).bounding_box()
        assert box is not None
        x, y = place_of(page, picture, cell)
        assert box["x"] + box["width"] / 2 == pytest.approx(x, abs=2.5)
        assert box["y"] + box["height"] / 2 == pytest.approx(y, abs=2.5)
    said = page.locator(".cell").inner_text()
    assert "cell17" in said
    assert "cell_type: NK" in said
    page.mouse.move(5, 5)
    assert page.locator(".spot:visible").count() == 0


def test_a_cell_is_found_by_keyboard(page: Page) -> None:
    page.get_by_label("Find cell number").fill("18")
    assert page.locator(".spot:visible").count() == 3
    assert "cell17" in page.locator(".cell").inner_text()


def test_the_marked_cell_is_under_its_colour(page: Page) -> None:
    """The ring, the pixels and the pointer agree on where a cell is."""
    page.locator(".plot").first.scroll_into_view_if_needed()
    box = page.locator(".plot").first.bounding_box()
    assert box is not None
    x, y = place_of(page, 0, 17)
    shot = Image.open(io.BytesIO(page.locator(".plot").first.screenshot())).convert("RGB")
    pixel = shot.getpixel((round(x - box["x"]), round(y - box["y"])))
    assert pixel == tuple(bytes.fromhex(OKABE_ITO[2][1:]))  # NK is the third label


def test_zoom_buttons(page: Page) -> None:
    whole = sum(count for colour, count in colours(page).items() if colour in OKABE_ITO)
    page.get_by_label("Find cell number").fill("1")
    before = page.locator(".spot").first.get_attribute("style")
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_timeout(100)
    assert page.locator(".spot").first.get_attribute("style") != before
    page.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(100)
    assert page.locator(".spot").first.get_attribute("style") == before
    page.get_by_label("Find cell number").fill("")
    again = sum(count for colour, count in colours(page).items() if colour in OKABE_ITO)
    assert again == whole


def test_ctrl_and_wheel_zoom_where_the_pointer_is(page: Page) -> None:
    page.locator(".plot").first.scroll_into_view_if_needed()
    before = colours(page)
    page.mouse.move(*place_of(page, 0, 17))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    page.wait_for_timeout(200)
    page.mouse.move(5, 5)
    assert colours(page) != before


def test_the_legend_singles_out(page: Page) -> None:
    button = page.locator(".legend button", has_text="T cell")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    seen = set(OKABE_ITO) & set(colours(page))
    assert len(seen) == 1
    button.click()
    assert len(set(OKABE_ITO) & set(colours(page))) == 3


def test_many_runs_come_in_pages(reader: Reader, tmp_path: Path) -> None:
    results, data = ResultsFolder(tmp_path), Data()
    records = [add_run(results, data, "pca", seed=seed) for seed in range(26)]
    add_scores(results, data, records)
    add_embeddings(results, data, records)
    page = reader.open(results)
    assert page.locator(".picture").count() == 12
    first = page.locator(".picture bdi").first.inner_text()
    page.get_by_role("button", name="Further runs").click()
    page.get_by_text("page 2 of 3").wait_for()
    assert page.locator(".picture").count() == 12
    assert page.locator(".picture bdi").first.inner_text() != first
    page.get_by_role("button", name="Further runs").click()
    page.get_by_text("page 3 of 3").wait_for()
    assert page.locator(".picture").count() == 2
    assert page.get_by_role("button", name="Further runs").is_disabled()


def test_cells_without_a_place_are_not_drawn_nor_found(reader: Reader, tmp_path: Path) -> None:
    results, data = ResultsFolder(tmp_path), Data()
    records = [add_run(results, data, model) for model in ("pca", "mofa")]
    points = np.random.default_rng(0).normal(size=(60, 2))
    gone = points.copy()
    gone[10] = np.nan
    add_scores(results, data, records)
    add_embeddings(results, data, records, {records[0].run_id: gone, records[1].run_id: points})
    page = reader.open(results)
    page.get_by_label("Find cell number").fill("11")
    assert page.locator(".spot:visible").count() == 1
