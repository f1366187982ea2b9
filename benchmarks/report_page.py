"""How large the report is, how long it takes to write, and how fluid its UMAPs are in Chromium."""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import show
from playwright.sync_api import Page, sync_playwright
from report import Target, conclude

from multiverse.report.page import write_page
from multiverse.runs.results import Results

sys.path.append(str(Path(__file__).resolve().parent.parent))  # where the tests' folders are made

from tests.unit.report.page.folder import (
    Data,
    ResultsFolder,
    add_embeddings,
    add_run,
    add_scores,
    make_cells,
)

MODELS = 6
LABELS = [f"type {number}" for number in range(20)]
#: From an action to the frame after the one that it is drawn in, in milliseconds.
TIMED = """
async (act) => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  const before = performance.now();
  new Function(act)();
  await frame();
  await frame();
  return performance.now() - before;
}
"""
SWITCH = (
    "const s = document.querySelector('.colour'); s.value = (Number(s.value) + 1) % 3;"
    "s.dispatchEvent(new Event('change', {bubbles: true}))"
)
ZOOM = "document.querySelector('[data-zoom=in]').click()"
MARK = (
    "const f = document.querySelector('.find'); f.value = 1 + Math.floor(Math.random() * 9999);"
    "f.dispatchEvent(new Event('input', {bubbles: true}))"
)


@dataclass(frozen=True)
class Figures:
    """Of one size. Milliseconds are medians; ``opened`` is until every picture is drawn."""

    megabytes: float
    write_seconds: float
    opened_seconds: float
    switch: float
    zoom: float
    mark: float


def results_of(folder: Path, n_cells: int) -> ResultsFolder:
    """Six scored runs, with UMAPs of as many groups as there are labels."""
    results, data = ResultsFolder(folder), Data("cells", make_cells(n_cells, LABELS))
    records = [add_run(results, data, f"model{number}") for number in range(MODELS)]
    add_scores(results, data, records)
    random = np.random.default_rng(0)
    coordinates = {}
    for record in records:
        centres = 8 * random.normal(size=(len(LABELS), 2))
        noise = random.normal(size=(n_cells, 2))
        coordinates[record.run_id] = centres[np.arange(n_cells) % len(LABELS)] + noise
    add_embeddings(results, data, records, coordinates)
    return results


def timed(page: Page, act: str, repetitions: int) -> float:
    taken = [float(page.evaluate(TIMED, act)) for _ in range(repetitions + 1)]
    return statistics.median(taken[1:])


def measure(page: Page, folder: Path, n_cells: int, repetitions: int) -> Figures:
    results = results_of(folder, n_cells)
    started = time.perf_counter()
    path = write_page(Results.open(results))
    written = time.perf_counter() - started
    # The page's own policy forbids what this measures with.
    text = path.read_text().replace("script-src ", "script-src 'unsafe-eval' ", 1)
    path.write_text(text)
    started = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached", timeout=300_000)
    opened = time.perf_counter() - started
    page.locator(".plot").first.scroll_into_view_if_needed()
    figures = Figures(
        path.stat().st_size / 1e6,
        written,
        opened,
        timed(page, SWITCH, repetitions),
        timed(page, ZOOM, repetitions),
        timed(page, MARK, repetitions),
    )
    show(f"  {n_cells:,} cells: {figures}")
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=9)
    repetitions = parser.parse_args().repetitions
    found: dict[int, Figures] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for n_cells in (10_000, 100_000):
            found[n_cells] = measure(page, Path(folder, str(n_cells)), n_cells, repetitions)
        browser.close()
    small, large = found[10_000], found[100_000]
    targets = [
        Target(f"page of {MODELS} models, 10,000 cells", small.megabytes, 10, "MB"),
        Target("10,000 cells: colour switch of six pictures", small.switch, 200, "ms"),
        Target("100,000 cells: colour switch of six pictures", large.switch, 500, "ms"),
        Target("100,000 cells: zoom of six pictures", large.zoom, 500, "ms"),
        Target("100,000 cells: mark a cell in six pictures", large.mark, 100, "ms"),
    ]
    details = {f"{n:,} cells": vars(figures) for n, figures in found.items()}
    return conclude("report_page", targets, details)


if __name__ == "__main__":
    raise SystemExit(main())
