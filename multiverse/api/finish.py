"""The steps that follow a benchmark: scores, the report, the copy for MLflow. Each fails alone."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from multiverse.api.folder_errors import check_name, folder_errors
from multiverse.api.request import Request, Steps, duration, room, several
from multiverse.contract.evaluation import EvaluationSettings
from multiverse.engines.choice import choose_engine, named_engine
from multiverse.errors import Cancelled, MultiverseError, UsageError
from multiverse.events import Concluded, Noted, ScoredDataset, Tell, silent
from multiverse.runner.capacity import Machine
from multiverse.runner.signals import cancellation
from multiverse.runs.results import Results
from multiverse.runs.scores import Weights
from multiverse.scoring.evaluate import evaluate_results
from multiverse.scoring.outcome import ScoringOptions, ScoringOutcome, with_remedy
from multiverse.specs.evaluator import TIME_LIMIT
from multiverse.specs.yaml_file import validation_problems

if TYPE_CHECKING:
    from multiverse.report.write import WrittenReport
    from multiverse.tracking import Tracked

#: A slow server does not hold a benchmark up for longer.
MLFLOW_SECONDS = 120.0


@dataclass(frozen=True)
class Conclusion:
    """The results of the steps that were taken. ``problems``: a sentence each, with what to do.

    ``results``: the whole folder, with its new scores.
    """

    results: Results
    outcomes: tuple[ScoringOutcome, ...] = ()
    report: WrittenReport | None = None
    tracked: Tracked | None = None
    problems: tuple[str, ...] = field(default=())

    @property
    def complete(self) -> bool:
        return not self.problems

    def event(self) -> Concluded:
        """Return what is told of it."""
        return Concluded(
            datasets=tuple(ScoredDataset(**vars(outcome)) for outcome in self.outcomes),
            written=tuple(self.report.written) if self.report else (),
            mlflow=self.tracked.summary if self.tracked else None,
            problems=self.problems,
        )


def conclude(results: Results, request: Request, *, tell: Tell) -> Conclusion:
    """Score what is new in a results folder, write the report, bring MLflow up to date.

    Raises :class:`Cancelled` after a signal; everything else that goes wrong is in the result.
    MLflow that can't be reached is no problem of the results: a line says so.
    """
    steps = request.steps.allowed()
    problems: list[str] = []
    outcomes: list[ScoringOutcome] = []
    if steps.evaluate and results.complete:
        options = ScoringOptions(machine=request.options.machine, build=request.options.build)
        try:
            outcomes = _score(results, request.engine, options, tell)
            results = results.refresh()
            problems += [problem for outcome in outcomes for problem in outcome.problems]
        except Cancelled:
            raise
        except MultiverseError as error:
            problems.append(_sentence("the runs are complete, but were not scored", error))
    # Copied before the report is written, which goes to MLflow with the next copy otherwise.
    report = _report(results, problems) if steps.report else None
    tracked = _track(results, steps.mlflow, tell) if steps.tracked else None
    conclusion = Conclusion(results, tuple(outcomes), report, tracked, tuple(problems))
    tell(conclusion.event())
    return conclusion


def score_results(
    folder: str | Path,
    options: ScoringOptions,
    *,
    engine: str | None = None,
    report: bool = True,
    tell: Tell,
) -> Conclusion:
    """Score the complete runs of a results folder, then write its report.

    Raises :class:`ResultsError` or :class:`EngineError` where nothing can be scored, and
    :class:`Cancelled` after a signal. What concerns one dataset, or the report, is a problem of
    the conclusion.
    """
    options.machine.check()
    check_name(Path(folder))
    with folder_errors(folder):
        results = Results.open(folder)
        outcomes = _score(results, named_engine(engine), options, tell)
        problems = [problem for outcome in outcomes for problem in outcome.problems]
        results = results.refresh()
        wanted = Steps(report=report).allowed().report
        written = _report(results, problems) if wanted else None
    conclusion = Conclusion(results, tuple(outcomes), written, None, tuple(problems))
    tell(conclusion.event())
    return conclusion


def evaluate(
    folder: str | Path,
    *,
    engine: str | None = None,
    again: bool = False,
    datasets: Sequence[str] = (),
    cpus: float | None = None,
    memory: str | int | None = None,
    time_limit: str | int = TIME_LIMIT,
    build: bool = True,
    report: bool = True,
    settings: Mapping[str, Any] | None = None,
    weights: Mapping[str, float] | None = None,
    tell: Tell = silent,
) -> Results:
    """Score every complete run that has no scores yet; ask the results for them.

    Parameters
    ----------
    folder
        A results folder.
    engine
        By default that of ``MULTIVERSE_ENGINE``, or the best there is.
    again
        Score everything, whatever is there.
    datasets
        Slugs; without any, all.
    cpus, memory
        CPU cores and memory (``"8GiB"``) of the evaluator, at most.
    time_limit
        Of one start of the evaluator (``"2h"``); a day if not given.
    build
        Build a missing image.
    report
        Write ``report.html``, ``scores.csv`` and the research object as well.
    settings
        Of the evaluator (:class:`multiverse.contract.evaluation.EvaluationSettings`), by name;
        None are those that the folder was scored with before, or the defaults.
    weights
        Of ``bio`` and ``batch`` in the total (0.6 and 0.4), and of metrics in the mean of their
        group (1; 0 leaves one out), by name; None are those of before. Nothing is scored again.

    Raises
    ------
    UsageError
        For a setting that is none, or that makes no sense.
    ResultsError, EngineError
        Where nothing can be scored. What concerns one dataset alone is a
        :class:`RuntimeWarning`, and the others are scored.

    Examples
    --------
    >>> import multiverse
    >>> results = multiverse.evaluate("results")  # doctest: +SKIP
    >>> results.scores().query("metric == 'total'")  # doctest: +SKIP
    """
    options = ScoringOptions(
        settings=None if settings is None else evaluation_settings(settings),
        weights=None if weights is None else evaluation_weights(weights),
        machine=Machine(cpus=cpus, memory=room(memory, "memory")),
        build=build,
        again=again,
        datasets=several(datasets),
        time_limit=duration(time_limit, "time_limit"),
    )
    done = score_results(folder, options, engine=engine, report=report, tell=tell)
    for problem in done.problems:
        warnings.warn(problem, RuntimeWarning, stacklevel=2)
    return done.results


def evaluation_settings(
    given: Mapping[str, Any], option: Callable[[str], str] = str
) -> EvaluationSettings:
    """Return the evaluator's settings; :class:`UsageError` for one that is none or can't be.

    ``option``: the word for a setting, by its name.
    """
    try:
        return EvaluationSettings.model_validate(dict(given))
    except ValidationError as error:
        problems = validation_problems(error, EvaluationSettings)
        words = "; ".join(f"{option(problem.where)}: {problem.message}" for problem in problems)
        raise UsageError(words) from error


def evaluation_weights(given: Mapping[str, Any]) -> Weights:
    """Return the weights of means; :class:`UsageError` for a number that is none or can't be.

    ``given``: ``bio``, ``batch`` and names of metrics → weight. With one of the groups alone the
    other has the rest to 1.
    """
    groups = {name: value for name, value in given.items() if name in ("bio", "batch")}
    metrics = {name: value for name, value in given.items() if name not in groups}
    try:
        numbers = {name: float(value) for name, value in groups.items()}
        if len(numbers) == 1:
            ((name, number),) = numbers.items()
            numbers[{"bio": "batch", "batch": "bio"}[name]] = 1 - number
        return Weights(metrics=metrics, **numbers)
    except ValidationError as error:
        words = "; ".join(
            f"{problem.where or 'weights'}: {problem.message}"
            for problem in validation_problems(error, Weights)
        )
        raise UsageError(words) from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"weights are numbers, such as bio=0.5: {error}") from error


def _score(
    results: Results, engine: str, options: ScoringOptions, tell: Tell
) -> list[ScoringOutcome]:
    """Score on an engine by its name; Ctrl-C and SIGTERM end it in order."""
    cancelled = threading.Event()
    with cancellation(cancelled):
        outcomes = evaluate_results(
            results,
            choose_engine(engine, tell),
            options,
            tell=tell,
            cancelled=cancelled,
        )
    if cancelled.is_set():  # when all was scored: what follows is not wanted either
        raise Cancelled(
            "stopped on request, after the evaluation",
            remedy="Write the report of what there is: multiverse report.",
        )
    return outcomes


def _report(results: Results, problems: list[str]) -> WrittenReport:
    from multiverse.report.write import write_report

    report = write_report(results)
    problems += [
        f"{part.name} was not written: {part.message} {part.remedy}".strip()
        for part in report.failed
    ]
    return report


def _track(results: Results, uri: str | None, tell: Tell) -> Tracked | None:
    from multiverse.tracking import default_uri, track

    if (uri or default_uri(results.paths, os.environ)) is None:
        return None
    try:
        tracked = track(results, uri, seconds=MLFLOW_SECONDS)
    except MultiverseError as error:
        tell(Noted(_sentence("nothing was copied to MLflow", error)))
        return None
    tell(Noted(tracked.summary))
    if not tracked.complete:
        tell(Noted(f"copy the rest later: {tracked.command}"))
    return tracked


def _sentence(what: str, error: MultiverseError) -> str:
    return f"{what}: {with_remedy(error)}"
