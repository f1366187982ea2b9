"""Comparison of two results folders: what changed, and whether it matters.

May import contract, runs and report.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.compare.difference import Difference, DifferenceVerdict, Pair, ScoreChange
else:
    __getattr__ = lazily(__name__, difference="Difference DifferenceVerdict Pair ScoreChange")

__all__ = ["Difference", "DifferenceVerdict", "Pair", "ScoreChange"]
