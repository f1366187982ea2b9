"""What follows a benchmark: scores, the report, the copy for MLflow. Each fails alone.

May import contract, runs, engines, runner, scoring, report and tracking.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from multiverse.engines.choice import AUTO, choose_engine
from multiverse.engines.protocol import Say
from multiverse.errors import Cancelled, MultiverseError
from multiverse.runner.signals import cancellation
from multiverse.runs.results import Results
from multiverse.scoring.evaluate import evaluate_results
from multiverse.scoring.outcome import ScoringOptions, ScoringOutcome

if TYPE_CHECKING:
    from multiverse.report.write import WrittenReport
    from multiverse.tracking import Tracked

#: A slow server does not hold a benchmark up for longer.
MLFLOW_SECONDS = 120.0

Progress = Callable[[str, int, int], None]
#: Each switches one of the steps off, for all commands.
NO_EVALUATE, NO_REPORT, NO_MLFLOW = (
    f"MULTIVERSE_NO_{name}" for name in ("EVALUATE", "REPORT", "MLFLOW")
)


@dataclass(frozen=True)
class Steps:
    """Which steps follow. ``mlflow``: where to copy to; None is the default place, if there is one.

    ``tracked``: whether runs are copied at all.
    """

    evaluate: bool = True
    report: bool = True
    tracked: bool = True
    mlflow: str | None = None

    def without_those_of(self, environment: Mapping[str, str]) -> Steps:
        """These steps but those that the environment switches off."""
        return Steps(
            evaluate=self.evaluate and not environment.get(NO_EVALUATE),
            report=self.report and not environment.get(NO_REPORT),
            tracked=self.tracked and (self.mlflow is not None or not environment.get(NO_MLFLOW)),
            mlflow=self.mlflow,
        )


@dataclass(frozen=True)
class Conclusion:
    """What came of the steps that were taken. ``problems``: a sentence each, with what to do."""

    outcomes: tuple[ScoringOutcome, ...] = ()
    report: WrittenReport | None = None
    tracked: Tracked | None = None
    problems: tuple[str, ...] = field(default=())

    @property
    def complete(self) -> bool:
        return not self.problems


def conclude(
    results: Results,
    steps: Steps,
    *,
    engine: str = AUTO,
    options: ScoringOptions | None = None,
    say: Say,
    progress: Progress,
) -> Conclusion:
    """Score what is new, write the report, bring MLflow up to date.

    Raises :class:`Cancelled` after a signal; everything else that goes wrong is in the result.
    MLflow that can't be reached is no problem of the results: a line says so.
    """
    steps = steps.without_those_of(os.environ)
    problems: list[str] = []
    outcomes: list[ScoringOutcome] = []
    if steps.evaluate and results.complete:
        try:
            outcomes = score(results, engine, options or ScoringOptions(), say, progress)
            results = results.refresh()
            problems += [outcome.problem for outcome in outcomes if outcome.problem]
        except Cancelled:
            raise
        except MultiverseError as error:
            problems.append(_sentence("the runs are complete, but were not scored", error))
    # Copied before the report is written, which goes to MLflow with the next copy otherwise.
    report = _report(results, problems) if steps.report else None
    tracked = _track(results, steps.mlflow, say) if steps.tracked else None
    return Conclusion(tuple(outcomes), report, tracked, tuple(problems))


def score(
    results: Results, engine: str, options: ScoringOptions, say: Say, progress: Progress
) -> list[ScoringOutcome]:
    """:func:`evaluate_results` on an engine by its name; Ctrl-C and SIGTERM end it in order."""
    cancelled = threading.Event()
    with cancellation(cancelled):
        return evaluate_results(
            results,
            choose_engine(engine, say),
            options,
            say=say,
            progress=progress,
            cancelled=cancelled,
        )


def _report(results: Results, problems: list[str]) -> WrittenReport:
    from multiverse.report.write import write_report

    report = write_report(results)
    problems += [
        f"{part.name} was not written: {part.message} {part.remedy}".strip()
        for part in report.failed
    ]
    return report


def _track(results: Results, uri: str | None, say: Say) -> Tracked | None:
    from multiverse.tracking import default_uri, track

    if (uri or default_uri(results.paths, os.environ)) is None:
        return None
    try:
        tracked = track(results, uri, seconds=MLFLOW_SECONDS)
    except MultiverseError as error:
        say(_sentence("nothing was copied to MLflow", error))
        return None
    say(f"MLflow: {tracked.summary}")
    if not tracked.complete:
        say(f"copy the rest later: {tracked.command}")
    return tracked


def _sentence(what: str, error: MultiverseError) -> str:
    remedy = f" {error.remedy}" if error.remedy else ""
    return f"{what}: {error}{remedy}"
