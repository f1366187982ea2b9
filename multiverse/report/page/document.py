"""``report.html``: the page as one file that asks no network for anything."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from multiverse.report.page.content import make_page
from multiverse.runs.results import Results
from multiverse.runs.writing import write_atomic

ASSETS = "multiverse.report.page"
OWN_SCRIPTS = ("raster.js", "atlas.js", "charts.js", "table.js", "page.js")


@dataclass(frozen=True)
class Script:
    """A script of the page's own or of Bokeh. ``digest`` is what lets it run."""

    text: Markup
    digest: str


def write_page(results: Results, target: Path | None = None) -> Path:
    """Write the report of a results folder to ``target`` (``report.html`` in it); its path.

    The file replaces an older one in one step. Raises :class:`ResultsError` where there is no
    such folder or nothing can be written; what is damaged in it is said on the page.
    """
    path = target or results.paths.report
    write_atomic(path, render(results))
    return path


def render(results: Results) -> str:
    """Return the page's HTML."""
    scripts = page_scripts()
    template = _environment().get_template("page.html.j2")
    return template.render(
        page=make_page(results),
        scripts=scripts,
        policy=content_policy(scripts),
        style=Markup(_asset("page.css")),  # noqa: S704  our own file
    )


def content_policy(scripts: tuple[Script, ...]) -> str:
    """Return the page's content policy: these very scripts run, and nothing from anywhere else.

    Styles are inline because Bokeh and the table's circles need it; pictures are data of the
    page. Nothing is evaluated: cells are rasterised by our own script, for Bokeh's WebGL compiles
    code as it goes and would need ``unsafe-eval``.
    """
    allowed = " ".join(f"'sha256-{script.digest}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


@cache
def page_scripts() -> tuple[Script, ...]:
    """Return Bokeh and the page's own scripts, in the order in which they run."""
    bokeh = Resources(mode="inline", components=["bokeh", "bokeh-api"]).js_raw[:2]
    return tuple(_script(text) for text in (*bokeh, *map(_asset, OWN_SCRIPTS)))


def _script(text: str) -> Script:
    text = text.replace("\r\n", "\n")
    if "</script" in text.lower():
        raise ValueError("a script of the page would end its own element")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return Script(Markup(text), digest)  # noqa: S704  a package's own file


def _asset(name: str) -> str:
    return (files(ASSETS) / "assets" / name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(ASSETS, "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["island"] = island
    return environment


def island(content: Any) -> Markup:
    """Return JSON for a ``<script>`` of type JSON: ``<``, ``>``, ``&`` and ``'`` escaped."""
    return htmlsafe_json_dumps(content, separators=(",", ":"), allow_nan=False)
