"""A real headless Chromium, and a page that records whatever it should not do."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright

from multiverse.report.page import write_page
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results

#: The page needs no graphics card; without one, Chromium does not start to emulate it.
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
#: Violations of the content policy come as events; they are kept where a test can read them.
RECORD_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Reader:
    """Somebody who opens reports, and notes what must not happen."""

    browser: Browser
    complaints: list[str] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    def open(self, results: ResultsFolder, *, drawn: bool = True) -> Page:
        """Open the report from disk, after writing it where it isn't; wait until all is drawn."""
        path = results.report if results.report.is_file() else write_page(Results.open(results))
        page = self.browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(RECORD_VIOLATIONS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.route("**/*", lambda route: self._request(route, path))
        self.pages.append(page)
        page.goto(path.as_uri())
        if drawn:
            page.wait_for_selector("html[data-ready]", state="attached", timeout=120_000)
        return page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _request(self, route: Route, path: Path) -> None:
        if route.request.url == path.as_uri():
            route.continue_()
            return
        self.complaints.append(f"request: {route.request.url}")
        route.abort()

    def close(self) -> None:
        """Nothing must have been said, asked for or refused."""
        for page in self.pages:
            self.complaints += page.evaluate("window.violations")
            page.close()
        assert not self.complaints


@pytest.fixture
def reader(chromium: Browser) -> Iterator[Reader]:
    made = Reader(chromium)
    yield made
    made.close()


def atlas_data(page: Page) -> dict[str, Any]:
    """What the first dataset's pictures are drawn from."""
    content: dict[str, Any] = json.loads(page.inner_text(".atlas > script"))
    return content


def unpacked(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def place_of(page: Page, picture: int, cell: int) -> tuple[float, float]:
    """Where a cell lies in the window: its place within the picture's frame."""
    data = atlas_data(page)
    facts = data["pictures"][picture]
    x, y = (unpacked(facts[axis], "<u2")[cell] / data["last"] for axis in "xy")
    box = (
        page.locator(".plot")
        .nth(picture)
        .evaluate(
            "(e) => [e.getBoundingClientRect().left + e.clientLeft,"
            " e.getBoundingClientRect().top + e.clientTop, e.clientWidth]"
        )
    )
    side = box[2]
    return box[0] + side * (x + 0.04) / 1.08, box[1] + side * (1 - (y + 0.04) / 1.08)
