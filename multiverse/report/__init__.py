"""Runs and scores → tables, figures, one page, a research object, a comparison of two folders.

Reads a results folder and nothing else but the models' citations. May import contract, specs,
registry and runs.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.report.summary import Cell, Comparison, Configuration
    from multiverse.report.verdict import conclusions
    from multiverse.report.words import shown_rank
    from multiverse.report.write import WrittenReport
else:
    __getattr__ = lazily(
        __name__,
        summary="Cell Comparison Configuration",
        verdict="conclusions",
        words="shown_rank",
        write="WrittenReport",
    )

__all__ = ["Cell", "Comparison", "Configuration", "WrittenReport", "conclusions", "shown_rank"]
