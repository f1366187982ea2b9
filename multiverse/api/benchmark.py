"""A benchmark from request to report: what ``multiverse run`` and :func:`multiverse.run` do."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from multiverse.api.datasets import Data
from multiverse.api.folder_errors import check_name, folder_errors
from multiverse.api.plan import make_plan, resolved_yaml
from multiverse.api.request import Request
from multiverse.api.settings import RunKeywords, request_of
from multiverse.errors import Cancelled, JobsFailed, ResultsError
from multiverse.events import Noted, Summarised, Tell, silent
from multiverse.facts import RunState
from multiverse.registry.models import hidden_models
from multiverse.registry.overlay import is_lasting, overlay
from multiverse.runner.execute import execute
from multiverse.runner.preview import Preview
from multiverse.runner.preview import preview as preview_plan
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results

if TYPE_CHECKING:
    from multiverse.api.finish import Conclusion


@dataclass(frozen=True)
class BenchmarkOutcome:
    """The outcome of a benchmark: its runs, and the steps that followed them."""

    results: Results
    conclusion: Conclusion


def run_benchmark(request: Request, *, tell: Tell = silent) -> Results:
    """Register, plan, choose an engine, prepare the models, run, and collect.

    Raises :class:`SpecError`, :class:`DatasetError`, :class:`EngineError` or
    :class:`ResultsError` before anything is started; :class:`JobsFailed` is *not* raised here:
    ask the results. :class:`Cancelled` after an orderly stop.
    """
    check_name(request.output)
    work = make_plan(request, tell)
    results = ResultsFolder.at(request.output)
    with folder_errors(request.output):
        outcome = execute(
            work.plan,
            {item.record.slug: item.data for item in work.datasets},
            work.engine,
            results,
            resolved=resolved_yaml(request.source.benchmark, work.datasets),
            options=work.options,
            tell=tell,
        )
        if outcome.error is not None:
            raise outcome.error
    if outcome.cancelled:
        raise Cancelled(
            f"stopped on request: {outcome.count(RunState.COMPLETE)} of {len(work.plan.jobs)} jobs "
            f"are complete, {outcome.count(RunState.CANCELLED)} were stopped while they ran",
            remedy="Run the same command again: complete runs are not repeated.",
        )
    if outcome.not_started:
        raise ResultsError(
            f"{outcome.not_started} of {len(work.plan.jobs)} jobs were never started"
        )
    assert outcome.results is not None  # noqa: S101 - it ended
    found = outcome.results.only(outcome.runs, work.reasons)
    counts = dict(Counter(run.record.state for run in found))
    tell(Summarised(found.folder, len(found), counts, tuple(found.not_applicable)))
    return found


def preview_benchmark(request: Request, *, tell: Tell = silent) -> list[Preview]:
    """Return what :func:`run_benchmark` would do with each job, and why; change nothing.

    A file that is not registered yet is registered in a temporary folder, because only its content
    tells what would be done.
    """
    check_name(request.output)
    with overlay():
        work = make_plan(request, tell)
        for dataset in work.datasets:
            if not is_lasting(dataset.folder):
                words = "read for this preview only: the run registers it"
                tell(Noted(f"{dataset.record.slug}: {words}"))
        results = ResultsFolder.at(request.output)
        with folder_errors(request.output):
            return preview_plan(work.plan, work.engine, results, work.options, tell)


def run_and_finish(
    request: Request,
    *,
    tell: Tell = silent,
    ran: Callable[[Results], None] = silent,
) -> BenchmarkOutcome:
    """Run a benchmark, then take the steps that follow: scores, report, MLflow.

    ``ran`` gets the results before the first step. Raises as :func:`run_benchmark`; a step that
    fails is a problem of the conclusion.
    """
    results = run_benchmark(request, tell=tell)
    ran(results)
    from multiverse.api.finish import conclude  # no job waits for its imports

    with folder_errors(request.output):
        conclusion = conclude(results.refresh(), request, tell=tell)
    scored = conclusion.results.only(results.runs, results.not_applicable)
    return BenchmarkOutcome(scored, conclusion)


def run(
    models: str | Sequence[str],
    dataset: Data | None = None,
    output: str | Path = "results",
    *,
    raise_on_failure: bool = True,
    tell: Tell = silent,
    **settings: Unpack[RunKeywords],
) -> Results:
    """Run models on one dataset; embeddings come back in the order of your own cells.

    What is new is scored and reported as by ``multiverse run``: the folder holds the same files.

    Parameters
    ----------
    models
        Names of models, or one name.
    dataset
        A file, an object in memory, one of these for each modality (``{"rna": …, "adt": …}``), or
        the slug of a registered dataset.
    output
        The results folder. What is complete there is not run again.
    raise_on_failure
        Raise :class:`JobsFailed` if a job failed. The others are complete all the same.
    tell
        Called with every :class:`multiverse.events.Event`, as ``--json`` prints them; by several
        threads. What it raises while jobs run is passed over.
    settings
        ``parameters``, ``seeds``, ``device``, ``engine``, ``resources``, ``jobs``, ``cpus``,
        ``memory``, ``gpus``, ``jobs_per_gpu``, ``min_free``, ``slug``, ``name``, ``batch_key``,
        ``label_key``, ``unlabelled``, ``modalities``, ``layer``, ``without``, ``exclude``,
        ``intersect``, ``mosaic``, ``match_barcodes``, ``round``, ``build``, ``rerun``,
        ``only_failed``, ``verbose``, ``tags``, ``models_dirs``, ``evaluate``, ``report``,
        ``mlflow``: see :class:`multiverse.api.RunKeywords`.

    Raises
    ------
    UsageError, DatasetError, EngineError, ResultsError
        Before anything is started.
    JobsFailed
        After all steps, if a job failed. A step that failed is a :class:`RuntimeWarning`.

    Examples
    --------
    >>> import multiverse
    >>> results = multiverse.run(["pca", "mofa"], "data.h5mu", "results")  # doctest: +SKIP
    >>> results["mofa"].embedding().shape  # doctest: +SKIP
    (2872, 15)
    """
    request = request_of(models, dataset, output, settings, tell)
    _warn_of_hidden_models(request)
    outcome = run_and_finish(request, tell=tell)
    for problem in outcome.conclusion.problems:
        warnings.warn(problem, RuntimeWarning, stacklevel=2)
    if raise_on_failure:
        raise_failures(outcome.results)
    return outcome.results


def preview(
    models: str | Sequence[str],
    dataset: Data | None = None,
    output: str | Path = "results",
    *,
    tell: Tell = silent,
    **settings: Unpack[RunKeywords],
) -> list[Preview]:
    """Return what :func:`run` would do with each job, and why; change nothing.

    Data that are not registered yet are registered in a temporary folder, because only their
    content tells what would be done. Takes and raises what :func:`run` does.
    """
    with overlay():
        request = request_of(models, dataset, output, settings, tell)
        _warn_of_hidden_models(request)
        return preview_benchmark(request, tell=tell)


def _warn_of_hidden_models(request: Request) -> None:
    """Warn of models that others of their name stand for: notes are heard by few in Python."""
    named = {entry.model for entry in request.source.benchmark.models}
    for sentence in hidden_models(request.models_dirs, named):
        warnings.warn(sentence, RuntimeWarning, stacklevel=3)


def raise_failures(results: Results) -> None:
    """Raise :class:`JobsFailed`, naming every job that failed and why."""
    if results.failed:
        lines = [
            f"{run.record.dataset}/{run.record.model} seed {run.record.seed}: {run.record.message}"
            for run in results.failed
        ]
        raise JobsFailed(
            f"{len(lines)} of {len(results)} jobs failed\n" + "\n".join(lines),
            remedy=f"Logs are kept under {results.folder / 'attempts'}.",
        )
