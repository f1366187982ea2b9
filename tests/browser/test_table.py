"""The comparison table in a real browser: sorted by mouse and keyboard, raw and scaled."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

from multiverse.runs.folder import ResultsFolder
from tests.browser.conftest import Reader
from tests.unit.report.page.folder import make_folder

MODELS = ("mofa", "totalvi", "pca", "cobolt")
TOTALS = (0.4, 0.7, 0.6, 0.5)


def names(page: Page) -> list[str]:
    return page.locator(".models th bdi").all_inner_texts()


def heading(page: Page, title: str) -> Locator:
    return page.locator("th[aria-sort]", has_text=title)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> ResultsFolder:
    folder = tmp_path_factory.mktemp("results")
    return make_folder(folder, MODELS, totals=TOTALS)


@pytest.fixture
def page(reader: Reader, results: ResultsFolder) -> Page:
    return reader.open(results)


def test_rows_come_by_total(page: Page) -> None:
    assert names(page) == ["totalvi", "pca", "cobolt", "mofa"]
    head = heading(page, "Total")
    assert head.get_attribute("aria-sort") == "descending"


def test_click_sorts_and_says_so(page: Page) -> None:
    head = heading(page, "Model")
    head.locator("button").click()
    assert names(page) == sorted(MODELS)
    assert head.get_attribute("aria-sort") == "ascending"
    assert heading(page, "Total").get_attribute("aria-sort") == "none"
    head.locator("button").click()
    assert names(page) == sorted(MODELS, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_keyboard_sorts(page: Page) -> None:
    button = heading(page, "Total").locator("button")
    button.focus()
    page.keyboard.press("Enter")
    assert names(page) == ["mofa", "cobolt", "pca", "totalvi"]
    head = heading(page, "Total")
    assert head.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert heading(page, "Biology").get_attribute("aria-sort") == ("descending")


def test_controls_stay_below(page: Page) -> None:
    before = page.locator(".controls th bdi").all_inner_texts()
    heading(page, "Model").locator("button").click()
    assert page.locator(".controls th bdi").all_inner_texts() == before
    assert "random" in before


def test_switch_changes_values(page: Page) -> None:
    cell = page.locator(".models tr").first.locator("td.aggregate").first
    assert cell.inner_text() == "0.700"
    page.get_by_label("Scaled by the controls").check()
    assert cell.inner_text() == "0.649"  # (0.7 - 0.2) / 0.77
    page.get_by_label("Raw").check()
    assert cell.inner_text() == "0.700"


def test_scaled_means_show_their_own_coverage(reader: Reader, tmp_path: Path) -> None:
    page = reader.open(make_folder(tmp_path, MODELS, totals=TOTALS, unscaled=("bras",)))
    covered = page.locator(".models td.coverage").first
    assert covered.inner_text() == "5/5"
    page.get_by_label("Scaled by the controls").check()
    assert covered.inner_text() == "4/5"
    heading(page, "Coverage").locator("button").click()
    assert len(names(page)) == len(MODELS)
    page.locator(".models tr").first.locator("td.aggregate").first.hover()
    assert "from the 4/5 metrics that have a scale" in page.locator("#tip").inner_text()


def test_clipped_values_are_marked(page: Page) -> None:
    page.get_by_label("Scaled by the controls").check()
    oracle = page.locator(".controls tr", has_text="label_oracle")
    assert any("*" in text for text in oracle.locator("td.metric").all_inner_texts())
    assert page.get_by_text("* clipped").is_visible()


def test_a_dash_says_why(page: Page) -> None:
    cell = page.locator(".models td.none").first
    cell.focus()
    tip = page.locator("#tip")
    assert tip.is_visible()
    assert "Not available: there is one seed." in tip.inner_text()
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_a_value_tells_all_that_is_known(page: Page) -> None:
    page.locator(".models tr").first.locator("td.aggregate").first.hover()
    assert "95 % interval 0.6900 to 0.7100" in page.locator("#tip").inner_text()


def test_the_table_fits_a_laptop(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_copy_button_copies(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("[data-copy=methods-bibtex]").click()
    page.get_by_text("Copied").first.wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(page.locator("#methods-bibtex").inner_text()[:40])


@pytest.mark.parametrize("width", [560, 1280])
def test_the_table_scrolls_and_not_the_page(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
