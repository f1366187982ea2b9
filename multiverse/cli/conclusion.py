"""The last lines of a command that scores: where the report is, and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multiverse.cli.terminal import console, print_error, safe

if TYPE_CHECKING:
    from multiverse.api import Conclusion


def print_conclusion(conclusion: Conclusion) -> None:
    """Print the path of the report and every problem."""
    out = console()
    if conclusion.report is not None:
        page = next((path for path in conclusion.report.written if path.suffix == ".html"), None)
        if page is not None:
            out.print()
            out.print(safe("report: ", "bold") + safe(page))
    for problem in conclusion.problems:
        print_error(problem, None)
