"""The file: one piece, escaped, with a policy; and what it takes."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from multiverse.errors import ResultsError
from multiverse.report.page import write_page
from multiverse.report.page.document import island, page_scripts
from multiverse.report.page.text import chart_text, duration, figure, memory, moment, name
from multiverse.report.words import score
from multiverse.runs.results import Results
from tests.unit.report.page.folder import Data, make_cells, make_folder


class Elements(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(path: Path) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(path.read_text())
    return parser.found


def test_it_is_written_in_one_step_to_its_place(tmp_path: Path) -> None:
    results = make_folder(tmp_path)
    assert write_page(Results.open(results)) == results.report
    target = tmp_path / "elsewhere.html"
    assert write_page(Results.open(results), target) == target
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ResultsError):
        write_page(Results.open(tmp_path / "absent"))


def test_it_names_no_other_file(tmp_path: Path) -> None:
    for tag, attributes in elements(write_page(Results.open(make_folder(tmp_path)))):
        assert tag not in ("iframe", "object", "embed", "base", "form")
        assert "src" not in attributes
        href = attributes.get("href") or "#"
        assert href.startswith(("#", "data:,"))
        assert not [key for key in attributes if key.startswith("on")]


def test_ids_are_unique_and_links_lead_somewhere(tmp_path: Path) -> None:
    found = elements(write_page(Results.open(make_folder(tmp_path))))
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes.get("href") or "" for tag, attributes in found if tag == "a"}
    assert {link[1:] for link in links} <= set(ids)


def test_only_the_scripts_on_the_page_may_run(tmp_path: Path) -> None:
    text = write_page(Results.open(make_folder(tmp_path))).read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    allowed = set(re.findall(r"sha256-([^&]+)&#39;", policy[1]))
    present = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digests = {
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in present
    }
    assert digests == allowed
    assert len(present) == len(page_scripts())
    assert "unsafe-eval" not in policy[1]
    assert "script-src" in policy[1]
    assert "default-src &#39;none&#39;" in policy[1]


def test_an_island_holds_nothing_that_ends_it() -> None:
    text = str(island({"x": "</script><!-- & ' \u2028"}))
    assert not set("<>&'") & set(text)


def test_six_models_of_ten_thousand_cells_fit(tmp_path: Path) -> None:
    data = Data(cells=make_cells(10_000))
    results = make_folder(tmp_path, [f"model{i}" for i in range(6)], data)
    assert write_page(Results.open(results)).stat().st_size < 5_000_000


def test_texts() -> None:
    assert name("x" * 81).shown == "x" * 79 + "…"
    assert name("x" * 81).full == "x" * 81
    assert len(name("x" * 10**6).full) == 500
    assert name("short").full == ""
    assert not any(mark in chart_text("$$x$$ \\(y \\[z") for mark in ("$$", "\\(", "\\["))
    assert [duration(s) for s in (None, 6.84, 74, 7500)] == [
        "–",
        "6.8 s",
        "1 min 14 s",
        "2 h 5 min",
    ]
    assert [memory(m) for m in (None, 623521792, 1414307840)] == ["–", "595 MiB", "1.3 GiB"]
    assert [score(v, 2) for v in (None, 0.714, -0.001, -0.3)] == ["–", "0.71", "0.00", "-0.30"]
    assert [figure(v) for v in (None, 0, 15.0, 0.01234, 1e-9, 1234.5)] == [
        "–", "0", "15", "0.0123", "1.00e-09", "1,234",
    ]  # fmt: skip
    assert moment("2026-11-22T11:28:05+00:00") == "2026-11-22 11:28 UTC"
    assert moment("<b>") == "<b>"
