"""Scores a results folder: every dataset, what is new, one that fails never spoils the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial

from multiverse.contract.folders import remove_empty_folder
from multiverse.engines.protocol import Engine
from multiverse.errors import Cancelled, EngineError, MultiverseError, ResultsError
from multiverse.events import Noted, Tell, silent
from multiverse.exclusive import exclusive
from multiverse.runner.capacity import usable
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.writing import disk_errors
from multiverse.scoring.answers import Cohort, DataNotHere, cohorts_of
from multiverse.scoring.evaluator import ScoringContext
from multiverse.scoring.outcome import ScoringOptions, ScoringOutcome, with_remedy
from multiverse.scoring.unfinished import Unfinished
from multiverse.scoring.update import CohortUpdate, without_data
from multiverse.specs.evaluator import EvaluatorSpec


def evaluate_results(
    results: Results,
    engine: Engine,
    options: ScoringOptions,
    *,
    tell: Tell = silent,
    cancelled: threading.Event | None = None,
) -> list[ScoringOutcome]:
    """Score every complete run that has no scores yet, and write them and ``embeddings.h5ad``.

    Raises :class:`ResultsError` where there is no complete run in the folder,
    :class:`EngineError` where the evaluator can't be had, :class:`Cancelled` after a signal. What
    concerns one dataset alone is in its outcome.
    """
    _cohorts(results, options)  # what can't be scored at all is said before anything is waited for
    machine = usable(engine.capacity(), options.machine)
    cancelled = cancelled or threading.Event()
    paths = results.paths
    with _alone(paths, tell, cancelled):
        unfinished = Unfinished(engine, paths)
        spec = EvaluatorSpec.load()
        context = ScoringContext(
            spec=spec,
            engine=engine,
            runtime=engine.prepare(spec, build=options.build, tell=tell),
            results=paths,
            capacity=machine,
            time_limit=options.time_limit,
            unfinished=unfinished,
            tell=tell,
            cancelled=cancelled,
        )
        cohorts = _cohorts(results.refresh(), options, tell)
        try:
            outcomes = [_outcome(context, cohort, options) for cohort in cohorts]
        finally:
            unfinished.stop()
        unfinished.remove(options.datasets)
        with suppress(OSError):
            remove_empty_folder(paths.evaluations)
        return outcomes


def _cohorts(results: Results, options: ScoringOptions, tell: Tell = silent) -> list[Cohort]:
    cohorts = cohorts_of(results.runs)
    for line in results.damaged_records:
        tell(Noted(line))
    if not cohorts:
        damaged = "".join(f": {line}" for line in results.damaged_records[:1])
        raise ResultsError(
            f"{results.folder} has no complete run to score{damaged}",
            remedy="See what happened: multiverse runs, or run models first: multiverse run.",
        )
    chosen = [
        cohort for cohort in cohorts if not options.datasets or cohort.dataset in options.datasets
    ]
    absent = [
        name for name in options.datasets if name not in {cohort.dataset for cohort in cohorts}
    ]
    if absent:
        there = ", ".join(sorted({cohort.dataset for cohort in cohorts}))
        raise ResultsError(
            f"{results.folder} has no complete run on {', '.join(absent)}",
            remedy=f"It has runs on: {there}.",
        )
    return chosen


@contextmanager
def _alone(results: ResultsFolder, tell: Tell, cancelled: threading.Event) -> Iterator[None]:
    """Hold a folder for one evaluation; a second one waits for the first, or for a signal."""
    words = "another process evaluates this folder: waiting for it"
    waiting = partial(tell, Noted(words))
    lock = exclusive(results.evaluation_lock, waiting=waiting, cancelled=cancelled)
    with ExitStack() as held:
        try:
            with disk_errors(results.folder):
                held.enter_context(lock)
        except Cancelled as error:
            raise Cancelled(
                "the evaluation was stopped on request, before it began",
                remedy="Run it again: multiverse evaluate. Runs are complete without it.",
            ) from error
        yield


def _outcome(context: ScoringContext, cohort: Cohort, options: ScoringOptions) -> ScoringOutcome:
    outcome = ScoringOutcome(cohort.dataset, cohort.fingerprint)
    try:
        with disk_errors(context.results.folder):
            return CohortUpdate(context, cohort, options).run()
    except OSError as error:
        text = f"{cohort.dataset}: {error}"
    except (Cancelled, EngineError):
        raise
    except DataNotHere as error:
        return without_data(context, cohort, options, error)
    except MultiverseError as error:
        text = with_remedy(error)
    except Exception as error:
        # Libraries read what users registered: no surprise of theirs may cost the other datasets.
        text = f"{cohort.dataset}: {type(error).__name__}: {str(error)[:500]}"
    context.tell(Noted(text))
    return replace(outcome, problem=text)
