"""Runs and scores → tables, figures, one page, a research object, a comparison of two folders.

Reads a results folder and nothing else but the models' citations. May import contract, specs,
registry and runs.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.report.summary import AGGREGATES, Cell, Comparison, Configuration
    from multiverse.report.write import WrittenReport
else:
    __getattr__ = lazily(
        __name__,
        summary="AGGREGATES Cell Comparison Configuration",
        write="WrittenReport",
    )

__all__ = ["AGGREGATES", "Cell", "Comparison", "Configuration", "WrittenReport"]
