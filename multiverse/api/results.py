"""Operations on a results folder: read, report, compare, verify, copy, clean."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiverse.api.folder_errors import check_name, folder_errors
from multiverse.api.request import Folders, folders
from multiverse.contract.files import describe_kind
from multiverse.contract.folders import is_file, resolved
from multiverse.errors import UsageError
from multiverse.events import Noted, Tell, silent
from multiverse.runs.folder import ResultsFolder, RunFolder
from multiverse.runs.results import Results as Results
from multiverse.runs.run import Run as Run

#: Of :func:`ranking`.
RANKING_COLUMNS = (
    "dataset", "configuration", "model", "seeds", "score", "rank", "value", "low", "high",
    "behind", "behind_low", "behind_high",
)  # fmt: skip

if TYPE_CHECKING:
    from pandas import DataFrame

    from multiverse.cleanup import CleanupOutcome, CleanupPlan, CleanupRequest
    from multiverse.compare import Difference
    from multiverse.report import Comparison, Configuration, WrittenReport
    from multiverse.runs.scores import Aggregate, Evaluation, Member
    from multiverse.runs.status import FolderStatus
    from multiverse.tracking import Tracked
    from multiverse.verify import Verification


def open_results(folder: str | Path) -> Results:
    """Read the runs of an existing results folder, also those that failed, and their scores.

    Raises :class:`ResultsError` if there is none.
    """
    with folder_errors(folder):
        return Results.open(folder)


def find_run(text: str, folder: str | Path = "results") -> Run:
    """Return a run by its folder, or by the first digits of its id.

    Raises :class:`UsageError` where there is none, or several.
    """
    with folder_errors(folder):
        record = RunFolder(resolved(Path(text))).record
        return Run.read(record) if is_file(record) else Results.open(folder).with_id(text)


@dataclass(frozen=True)
class RunScore:
    """One score of a run; ``reason``: why ``value`` is None. ``low``, ``high``: of its interval.

    ``group``: of a metric; ``aggregate`` for ``total``, ``bio`` and ``batch``.
    """

    name: str
    title: str
    group: str
    value: float | None
    low: float | None
    high: float | None
    reason: str


def run_scores(run: Run) -> list[RunScore]:
    """Return the scores of a run, means first; none before it is evaluated.

    A run that lies in no results folder has none. Raises :class:`ResultsError` if they are damaged.
    """
    folder = run.folder.absolute()
    if not run.complete or not run.record.lies_in(folder):
        return []
    file = Results(folder.parent.parent.parent, [run]).scores_file(run.record.dataset)
    for evaluation in reversed(file.evaluations):
        member = evaluation.member_of(run.record)
        if member is not None:
            return list(_scores(evaluation, member))
    return []


def _scores(evaluation: Evaluation, member: Member) -> Iterator[RunScore]:
    from multiverse.runs.aggregate import AGGREGATES, bounds  # a run has no scores before its end

    for name in AGGREGATES:
        mean: Aggregate = getattr(member, name)
        yield RunScore(name, name, "aggregate", mean.value, *bounds(mean.interval), mean.reason)
    for fact in evaluation.metrics:
        score = member.scores.get(fact.name)
        if score is not None:
            why = score.detail or str(score.reason or "").replace("_", " ")
            why = why if score.value is None else ""
            ends = bounds(score.interval)
            yield RunScore(fact.name, fact.title, fact.group.value, score.value, *ends, why)


def status(folder: str | Path) -> FolderStatus:
    """Return how far the jobs of a results folder are; :class:`ResultsError` if it is none."""
    from multiverse.runs.status import StatusReader

    with folder_errors(folder):
        return StatusReader(ResultsFolder.at(folder)).look()


def watch(folder: str | Path, seconds: float) -> Iterator[FolderStatus]:
    """Yield how far the jobs are, every so many seconds, until nothing runs any more."""
    from multiverse.runs.status import StatusReader

    reader = StatusReader(ResultsFolder.at(folder))
    while True:
        with folder_errors(folder):
            found = reader.look()
        yield found
        if found.over:
            return
        time.sleep(seconds)


def comparisons(results: Results) -> list[tuple[str, Comparison]]:
    """Return every evaluation of a results folder by its dataset; damaged scores are left out."""
    if not results.evaluations:
        return []
    from multiverse.report.summary import compare_configurations

    return [
        (item.dataset, compare_configurations(item.evaluation, results.find(dataset=item.dataset)))
        for item in results.evaluations
    ]


def ranking(folder: str | Path | Results = "results") -> DataFrame:
    """Return the configurations of every dataset as they are ranked, best first.

    Columns: ``dataset``, ``configuration``, ``model``, ``seeds``, ``score`` (the one that ranks
    are of: ``total`` or ``bio``), ``rank`` (shared by those that are indistinguishable from the
    best of them; None where it has none), ``value`` with its 95 % interval ``low`` to
    ``high``, and ``behind`` (how much less than the first one, 0 for itself) with the interval
    ``behind_low`` to ``behind_high`` of that paired difference. Raises :class:`ResultsError` if
    there is no such folder.
    """
    from pandas import DataFrame

    results = folder if isinstance(folder, Results) else open_results(folder)
    rows = [
        (dataset, *row) for dataset, found in comparisons(results) for row in _ranking_rows(found)
    ]
    return DataFrame(rows, columns=list(RANKING_COLUMNS))


def _ranking_rows(comparison: Comparison) -> Iterator[tuple[Any, ...]]:
    from multiverse.runs.aggregate import bounds

    by = comparison.ranked_by
    if not by:
        return
    best = comparison.ranked[0] if comparison.ranked else None
    for row in comparison.configurations:
        cell = row.aggregate(by)
        yield (
            row.label,
            row.model,
            cell.n,
            by,
            row.rank,
            cell.value,
            *bounds(cell.interval),
            *(_behind(best, row, by) if best and row.rank else (None, None, None)),
        )


def _behind(
    best: Configuration, row: Configuration, by: str
) -> tuple[float | None, float | None, float | None]:
    """Return how far a configuration is behind the first one, and the interval of that."""
    from multiverse.runs.aggregate import bounds
    from multiverse.runs.intervals import difference

    first, second = best.aggregate(by).sample, row.aggregate(by).sample
    if first is None or second is None:
        return None, None, None
    if row is best:
        return 0.0, 0.0, 0.0
    return first.mean - second.mean, *bounds(difference(first, second))


@dataclass(frozen=True)
class ReportOutcome:
    """The report that was written, and a sentence for all that was damaged and is not in it."""

    report: WrittenReport
    damaged: Sequence[str]


def report(
    folder: str | Path = "results", *, figures: bool = False, output: Path | None = None
) -> ReportOutcome:
    """Write the report, the table of scores and the research object.

    ``figures``: also ``figures/``, as SVG and PDF. ``output``: where the page goes instead of
    ``report.html``. Raises :class:`ResultsError` if there is no such folder; everything else is
    in the result.
    """
    from multiverse.report.write import write_report

    check_name(Path(folder))
    if output is not None:
        _check_page(output)
    with folder_errors(folder):
        results = Results.open(folder)
        written = write_report(results, figures, output=output and _place(output, results.paths))
        return ReportOutcome(written, results.damaged)


def _place(page: Path, results: ResultsFolder) -> Path:
    """Return where a page goes: links are followed on the way, but none in the results folder."""
    page = page.absolute()
    for above in page.parents:
        inner = page.relative_to(above)
        if resolved(above) == results.folder and ".." not in inner.parts:
            return results.folder / inner
    return resolved(page)


def _check_page(page: Path) -> None:
    """Raise :class:`UsageError` unless a page can be written there."""
    check_name(page)
    if not os.path.isdir(page.parent):  # noqa: PTH112 - of a name that is too long it says no
        raise UsageError(
            f"the page can't be written to {page}: there is no folder {page.parent}",
            remedy=f"Make it first: mkdir -p {shlex.quote(str(page.parent))}",
        )
    try:
        page.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"the page can't be written to {page}: {error.strerror}") from error
    if page.is_dir():
        raise UsageError(
            f"the page can't be written to {page}: that is a folder",
            remedy="Name a file in it.",
        )
    if page.exists() and not page.is_file():  # it would be replaced, by root even /dev/null
        kind = describe_kind(page.stat().st_mode)
        raise UsageError(
            f"the page can't be written to {page}: that is {kind}", remedy="Name a file."
        )


def compare(before: str | Path, after: str | Path) -> Difference:
    """Return what changed between two results folders, and whether it matters."""
    from multiverse.compare.difference import compare_results

    with folder_errors(before):
        first = Results.open(before)
    with folder_errors(after):
        return compare_results(first, Results.open(after))


def verify(folder: str | Path = "results", *, tell: Tell = silent) -> Verification:
    """Recompute the checksums of published runs; nothing is written.

    Raises :class:`ResultsError` if there is no such folder.
    """
    from multiverse.verify.verify import verify_results

    with folder_errors(folder):
        return verify_results(ResultsFolder.at(folder), tell)


def track(
    folder: str | Path = "results",
    uri: str | None = None,
    *,
    experiment: str | None = None,
    embeddings_limit: int | None = None,
    tell: Tell = silent,
) -> Tracked:
    """Copy finished runs and their scores to MLflow, each once.

    ``embeddings_limit``: embeddings of more bytes are left out (0: all, None: as usual). Raises
    :class:`UsageError` where MLflow is not installed or can't be reached.
    """
    from multiverse.tracking import EMBEDDINGS_LIMIT
    from multiverse.tracking import track as track_results

    limit = EMBEDDINGS_LIMIT if embeddings_limit is None else embeddings_limit
    with folder_errors(folder):
        results = Results.open(folder)
        return track_results(results, uri, experiment=experiment, embeddings_limit=limit, tell=tell)


@dataclass(frozen=True)
class CleanupResult:
    """Files that could go, and the outcome of their removal (None: nothing was to be removed)."""

    plan: CleanupPlan
    outcome: CleanupOutcome | None


def clean(
    folder: str | Path = "results",
    wanted: CleanupRequest | None = None,
    *,
    remove: bool = False,
    models_dirs: Folders = (),
    found: Callable[[CleanupPlan], None] = silent,
    tell: Tell = silent,
) -> CleanupResult:
    """Find what can go from a results folder and this machine, and remove it if told to.

    ``found`` gets what can go before anything is removed; ``tell`` hears a note of each thing that
    is gone. Raises :class:`ResultsError` if there is no such folder, and :class:`UsageError` for
    ids that name no run or several.
    """
    from multiverse.cleanup.clean import CleanupRequest, find
    from multiverse.cleanup.clean import remove as remove_found
    from multiverse.registry.models import hidden_models, list_models
    from multiverse.specs.evaluator import EvaluatorSpec

    place = ResultsFolder.at(folder).folder
    # The evaluator's image and environment are in use as those of models are.
    known = [*list_models(folders(models_dirs)), EvaluatorSpec.load()]
    for sentence in hidden_models(folders(models_dirs)):
        tell(Noted(sentence))
    with folder_errors(folder):
        plan = find(place, wanted or CleanupRequest(), known)
    found(plan)
    if not remove or not plan.items:
        return CleanupResult(plan, None)
    with folder_errors(folder):
        return CleanupResult(plan, remove_found(place, plan, tell))
