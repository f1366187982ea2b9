"""Options and outcomes of an evaluation of a results folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from multiverse.errors import MultiverseError
from multiverse.runner.capacity import Machine
from multiverse.specs.evaluator import TIME_LIMIT

if TYPE_CHECKING:
    from multiverse.contract.evaluation import EvaluationSettings, ScoreLine
    from multiverse.runs.scores import Weights


@dataclass(frozen=True)
class ScoringOptions:
    """Options of scoring. ``again``: everything, whatever is there. ``datasets``: only these.

    ``settings``, ``weights``: None are those that the folder was scored with, or the defaults.
    ``time_limit``: seconds that one start of the evaluator may take.
    """

    settings: EvaluationSettings | None = None
    weights: Weights | None = None
    machine: Machine = field(default_factory=Machine)
    build: bool = True
    again: bool = False
    datasets: tuple[str, ...] = ()
    time_limit: int = TIME_LIMIT


@dataclass(frozen=True)
class ScoringOutcome:
    """The outcome for one fingerprint of a dataset: runs scored now, runs that had scores already.

    ``problem``: why there are no scores, or not all.
    """

    dataset: str
    fingerprint: str
    scored: int = 0
    known: int = 0
    problem: str = ""

    @property
    def problems(self) -> list[str]:
        """Return the problem, if there is one, as a sentence that names the dataset once."""
        name = f"{self.dataset}: "
        return [name + self.problem.removeprefix(name)] if self.problem else []


def with_remedy(error: MultiverseError) -> str:
    """Return what happened and what to do next, as two sentences."""
    if not error.remedy:
        return str(error)
    return f"{str(error).removesuffix('.')}. {error.remedy}"


def problem_of(damaged: Mapping[str, str], lost: Sequence[ScoreLine]) -> str:
    """Return, in a sentence, runs whose files are damaged and scores that something has ended."""
    words = []
    if damaged:
        runs = "1 run is" if len(damaged) == 1 else f"{len(damaged)} runs are"
        words.append(f"{runs} damaged (multiverse verify)")
    if lost:
        scores = "1 score was" if len(lost) == 1 else f"{len(lost)} scores were"
        ((why, _),) = Counter(line.detail for line in lost).most_common(1)
        more = " with more memory (--memory)" if "memory" in why else ""
        more = " with more time (--time-limit)" if "time limit" in why else more
        words.append(f"{scores} lost: {why}. Evaluate again{more}: what is lost is tried again")
    return "; ".join(words)
