"""The page on paper: every section is there, tables are whole, colours are kept."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page

from multiverse.runs.folder import ResultsFolder
from tests.browser.conftest import Reader
from tests.unit.report.page.folder import Data, add_failure, make_folder

SECTIONS = (
    "Summary", "Comparison", "Quality and cost", "UMAPs", "Runs", "Failures",
    "Not available, and why", "Datasets", "Provenance", "Methods",
)  # fmt: skip


def printed(page: Page) -> bytes:
    return page.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)


def outline(pdf: bytes) -> list[str]:
    """The titles of a PDF's outline."""
    titles = re.findall(rb"/Title \(((?:[^()\\]|\\.)*)\)", pdf)
    return [title.decode("utf-8", errors="replace") for title in titles]


def test_printing_gives_every_section(reader: Reader, tmp_path: Path) -> None:
    results = make_folder(tmp_path)
    add_failure(results, Data(), "multivi")
    page = reader.open(results)
    pdf = printed(page)
    titles = outline(pdf)
    places = [titles.index(section) for section in SECTIONS]
    assert places == sorted(places)
    assert len(re.findall(rb"/Type /Page\b", pdf)) >= 3


def test_paper_has_no_buttons_but_open_details(reader: Reader, tmp_path: Path) -> None:
    page = reader.open(make_folder(tmp_path))
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator(".tools").is_visible()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".run .body").first.is_visible()
    assert page.locator(".run .chart canvas").first.is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert not page.locator(".run .body").first.is_visible()


def test_tables_are_as_wide_as_the_paper_at_most(reader: Reader, tmp_path: Path) -> None:
    page = reader.open(make_folder(tmp_path))
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 710, "height": 1000})  # A4 without its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 710


def test_an_empty_folder_prints(reader: Reader, tmp_path: Path) -> None:
    page = reader.open(ResultsFolder(tmp_path))
    assert "Nothing here yet" in outline(printed(page))
