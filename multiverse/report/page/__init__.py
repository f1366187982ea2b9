"""The report: one self-contained page about a results folder.

Records, scores and coordinates → frozen views (one module a section) → ``report.html``. May import
what the rest of ``report`` may, and Bokeh, Jinja2, anndata.
"""

from __future__ import annotations

from multiverse.report.page.document import write_page

__all__ = ["write_page"]
