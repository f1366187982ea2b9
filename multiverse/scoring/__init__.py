"""Runs the evaluator on the complete runs of a results folder, and keeps what it found.

The host's side of an evaluation: which runs are new, the held-out labels, the engine,
``scores.json`` and ``embeddings.h5ad``. May import contract, specs, registry, plan, runs, engines,
images, runner and exclusive.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.scoring.outcome import ScoringOptions, ScoringOutcome
else:
    __getattr__ = lazily(__name__, outcome="ScoringOptions ScoringOutcome")

__all__ = ["ScoringOptions", "ScoringOutcome"]
