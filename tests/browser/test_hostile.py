"""A dataset and a model that attack the page: harmless, readable, and of bearable size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page

from multiverse.contract.scores import Group, MetricFacts
from multiverse.runs.folder import ResultsFolder
from tests.browser.conftest import Reader
from tests.unit.report.page.folder import (
    FACTS,
    Data,
    add_embeddings,
    add_failure,
    add_run,
    add_scores,
)

IMAGE = "<img src=x onerror=\"window.stolen='image'\">"
SCRIPT = "</script><script>window.stolen='script'</script>"
FORMULA = "$$\\href{javascript:window.stolen='formula'}{x}$$"
ATTRIBUTE = '" onmouseover="window.stolen=\'attribute\'" x="'
TEMPLATE = "{{ 7 * 7 }}${7*7}"
ARABIC = "خلايا تائية"
EMOJI = "🧬🦠 family 👩‍👩‍👧"
OVERRIDE = "abc\u202egnp.exe"
NASTY = (IMAGE, SCRIPT, FORMULA, ATTRIBUTE, TEMPLATE, ARABIC, EMOJI, OVERRIDE)
LONG = "L" * 1024 * 1024
LOG = f"\x1b[31mred\x1b[0m \x1b]0;title\x07{IMAGE}\n{SCRIPT}\nbell\x07 end\n"


def hostile_data(n: int = 10_500) -> Data:
    random = np.random.default_rng(0)
    labels = [*NASTY, LONG]
    cells = pd.DataFrame(
        {
            "cell_type": [labels[i % len(labels)] for i in range(n)],
            "batch": [f"b{i % 2}{IMAGE}" for i in range(n)],
            "clones": [f"clone {i % 10_000} {SCRIPT}" for i in range(n)],
            "__proto__": random.random(n),
            "constructor": [IMAGE if i % 2 else None for i in range(n)],
            IMAGE: random.random(n),
        },
        index=[f"{SCRIPT}{i}" for i in range(n)],
    )
    return Data("hostile", cells, "cell_type", "batch")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> ResultsFolder:
    results = ResultsFolder(tmp_path_factory.mktemp("hostile"))
    data = hostile_data()
    facts = [
        *FACTS,
        MetricFacts(name=SCRIPT, title=IMAGE, group=Group.BIO, description=SCRIPT, source=FORMULA),
    ]
    epochs = {IMAGE: [1.0, 2.0], "__proto__": [2.0, 3.0], FORMULA: [3.0, 1.0], "x" * 200: [1.0]}
    records = [
        add_run(
            results, data, model, log=LOG, epochs=epochs, warnings=(SCRIPT, IMAGE),
            changed={IMAGE: SCRIPT, "__proto__": ATTRIBUTE, FORMULA: FORMULA},
            versions={IMAGE: SCRIPT}, host={"cpu": IMAGE}, modalities=(IMAGE, "adt"),
        )
        for model in ("pca", "mofa")
    ]  # fmt: skip
    add_failure(results, data, "totalvi", message=f"{IMAGE}{SCRIPT}", findings=(SCRIPT,), log=LOG)
    add_scores(results, data, records, facts=facts, notes=(IMAGE, SCRIPT, LONG))
    add_embeddings(results, data, records)
    return results


@pytest.fixture
def page(reader: Reader, hostile: ResultsFolder) -> Page:
    return reader.open(hostile)


def test_nothing_of_it_runs(page: Page) -> None:
    selects = page.get_by_label("Colour by")
    for option in range(page.locator(".colour option").count()):
        selects.select_option(str(option))
    for text in page.locator("[data-tip]").all()[:60]:
        text.dispatch_event("mouseover")
    page.get_by_label("Find cell number").fill("2")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    for place in page.locator(".chart canvas").all()[:6]:
        place.hover(force=True)
    page.wait_for_timeout(300)
    assert page.evaluate("window.stolen") is None
    assert page.evaluate("({}).polluted") is None
    assert page.locator("img").count() == 0
    assert page.locator("[onerror], [onmouseover]").count() == 0


def test_it_is_shown_as_text(page: Page) -> None:
    shown = page.locator(".legend bdi").all_inner_texts()
    assert IMAGE in shown
    assert any(ARABIC in text for text in shown)
    assert any("🧬" in text for text in shown)
    assert not any("\u202e" in text for text in shown)
    long = next(text for text in shown if text.startswith("LLL"))
    assert len(long) == 80
    assert long.endswith("…")
    title = page.locator(".legend button", has_text="LLLL").get_attribute("title")
    assert title is not None
    assert len(title) == 500


def test_ten_thousand_categories(page: Page) -> None:
    page.get_by_label("Colour by").select_option("clones")
    assert page.locator(".legend button").count() == 31
    assert "other (9,970 categories)" in page.locator(".legend button").last.inner_text()


def test_a_column_named_proto(page: Page) -> None:
    page.get_by_label("Colour by").select_option("__proto__")
    assert page.locator(".legend canvas").count() == 1


def test_logs_lose_their_control_sequences(page: Page) -> None:
    log = page.locator("#failures .log")
    assert log.evaluate("(e) => e.textContent").startswith("red " + IMAGE)
    assert "\x1b" not in page.content()


def test_the_size_is_bearable(hostile: ResultsFolder, page: Page) -> None:
    assert hostile.report.stat().st_size < 10 * 1000**2
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
