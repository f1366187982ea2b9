"""Scores a results folder: every dataset, what is new, one that fails never spoils the others."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from multiverse.contract.evaluation import ScoreLine, Settings
from multiverse.engines.protocol import Engine, Say
from multiverse.errors import Cancelled, EngineError, MultiverseError, ResultsError
from multiverse.images.locks import read_pins
from multiverse.plan.job import Limits
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runner.capacity import Machine, usable
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.listing import FoundRun, read_runs
from multiverse.runs.scores import Evaluation, Evaluator, ScoresFile
from multiverse.runs.writing import disk_errors, sha256, write_atomic
from multiverse.scoring.answers import Part, find_answers, in_place, parts_of
from multiverse.scoring.attempt import Progress, owner_labels
from multiverse.scoring.collected import Collected
from multiverse.scoring.embeddings_file import read_layouts, write_embeddings
from multiverse.scoring.evaluation import Assembly
from multiverse.scoring.part import PartRun, PartScoring, Site
from multiverse.scoring.wanted import Wanted, is_current, wanted
from multiverse.specs.evaluator import EvaluatorSpec

#: Among the notes of scores that are to be made anew.
OUTDATED = (
    "these scores are outdated: the labels, the evaluator or its settings have changed since, and "
    "scoring again has not succeeded yet"
)
#: Between looks at whether the first evaluation has ended.
WAIT_SECONDS = 0.25


def _unwatched(_what: str, _done: int, _total: int) -> None:
    """Progress is nobody's business unless asked for."""


@dataclass(frozen=True)
class ScoringOptions:
    """How to score. ``again``: everything, whatever is there. ``datasets``: only these.

    ``settings``: None are those that the folder was scored with, or the defaults.
    """

    settings: Settings | None = None
    machine: Machine = field(default_factory=Machine)
    build: bool = True
    again: bool = False
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of one fingerprint of a dataset: runs scored now, runs that had scores already.

    ``problem``: why there are no scores, or not all.
    """

    dataset: str
    fingerprint: str
    scored: int = 0
    known: int = 0
    problem: str = ""


def evaluate_results(
    results: ResultsFolder,
    engine: Engine,
    options: ScoringOptions,
    *,
    say: Say,
    progress: Progress = _unwatched,
    cancelled: threading.Event | None = None,
) -> list[Outcome]:
    """Score every complete run that has no scores yet, and write them and ``embeddings.h5ad``.

    Raises :class:`ResultsError` where there is no such folder or no complete run in it,
    :class:`EngineError` where the evaluator can't be had, :class:`Cancelled` after a signal. What
    concerns one dataset alone is in its outcome.
    """
    _parts(results, options)  # what can't be scored at all is said before anything is waited for
    machine = usable(engine.capacity(), options.machine)
    cancelled = cancelled or threading.Event()
    with _alone(results, say, cancelled):
        # What an evaluation left that was killed:
        engine.sweep(owner_labels(results))
        shutil.rmtree(results.evaluations, ignore_errors=True)
        runtime = engine.prepare(EvaluatorSpec.load(), build=options.build, say=say)
        site = Site(
            engine=engine,
            runtime=runtime,
            results=results,
            capacity=machine,
            progress=progress,
            say=say,
            cancelled=cancelled,
        )
        parts = _parts(results, options, say)
        outcomes = [_outcome(site, part, options) for part in parts]
        with suppress(OSError):
            results.evaluations.rmdir()
        return outcomes


def _parts(
    results: ResultsFolder, options: ScoringOptions, say: Say = lambda _line: None
) -> list[Part]:
    runs = read_runs(results).runs
    parts = parts_of(filter(in_place, runs))
    elsewhere = [_elsewhere(run) for run in runs if run.published and not in_place(run)]
    for line in elsewhere:
        say(line)
    if elsewhere and not parts:
        raise ResultsError(
            f"{results.folder} has no run to score in its place: {elsewhere[0]}",
            remedy="Give the folders back the names that they had: <dataset>/<model>/<run id>.",
        )
    if not parts:
        raise ResultsError(
            f"{results.folder} has no complete run to score",
            remedy="See what happened: multiverse runs, or run models first: multiverse run.",
        )
    chosen = [part for part in parts if not options.datasets or part.dataset in options.datasets]
    absent = [name for name in options.datasets if name not in {part.dataset for part in parts}]
    if absent:
        there = ", ".join(sorted({part.dataset for part in parts}))
        raise ResultsError(
            f"{results.folder} has no complete run on {', '.join(absent)}",
            remedy=f"It has runs on: {there}.",
        )
    return chosen


def _elsewhere(run: FoundRun) -> str:
    record = run.record
    place = f"{record.dataset}/{record.model}/{record.run_id}"
    return f"{run.folder} is not scored: by its record it is {place}"


@contextmanager
def _alone(results: ResultsFolder, say: Say, cancelled: threading.Event) -> Iterator[None]:
    """One evaluation of a folder at a time; the second waits for the first, or for a signal."""
    lock = FileLock(results.folder / ".evaluation.lock")
    try:
        with disk_errors(results.folder):
            lock.acquire(timeout=0)
    except Timeout:
        say("another process evaluates this folder: waiting for it")
        _wait_for(lock, cancelled)
    try:
        yield
    finally:
        lock.release()


def _wait_for(lock: FileLock, cancelled: threading.Event) -> None:
    while not cancelled.wait(WAIT_SECONDS):
        with suppress(Timeout):
            lock.acquire(timeout=0)
            return
    raise Cancelled(
        "the evaluation was stopped on request, before it began",
        remedy="Run it again: multiverse evaluate. Runs are complete without it.",
    )


def _outcome(site: Site, part: Part, options: ScoringOptions) -> Outcome:
    outcome = Outcome(part.dataset, part.fingerprint)
    try:
        with disk_errors(site.results.folder):
            return _score(site, part, options)
    except OSError as error:
        text = f"{part.dataset}: {error}"
    except (Cancelled, EngineError):
        raise
    except MultiverseError as error:
        text = f"{error} {error.remedy or ''}".strip()
    except Exception as error:
        # Libraries read what users registered: no surprise of theirs may cost the other datasets.
        text = f"{part.dataset}: {type(error).__name__}: {str(error)[:500]}"
    site.say(text)
    return replace(outcome, problem=text)


def _score(site: Site, part: Part, options: ScoringOptions) -> Outcome:
    dataset = find_answers(part)
    file = _read_scores(site, part.dataset)
    settings = options.settings or _settings_of(file, part)
    evaluator = _evaluator(settings)
    earlier = _earlier(file, part, dataset, evaluator, again=options.again)
    damaged = _damaged(part.runs)
    whole = [run for run in part.runs if run.record.run_id not in damaged]
    target = _embeddings_target(site.results, part, file)
    layouts: dict[str, object] = {} if options.again else dict(read_layouts(target, whole))
    asked = wanted(whole, earlier, list(layouts))
    done = PartRun(Collected(), {}, [])
    if earlier is None:
        _mark_outdated(site, file, part)
    if not asked.nothing and whole:
        scoring = PartScoring(site, part, dataset, asked, settings, _limits(site))
        try:
            done = scoring.run()
        except (Cancelled, EngineError):
            so_far = scoring.done()
            if so_far.collected.sheet is not None:  # what is computed is not computed again
                _keep(site, part, dataset, damaged, earlier, evaluator, so_far, asked)
            raise
    _keep(site, part, dataset, damaged, earlier, evaluator, done, asked)
    layouts |= done.layouts | _without_layout(asked, done)
    if whole and (asked.layouts or asked.runs or not target.is_file()):
        for run_id in write_embeddings(target, dataset, whole, layouts):  # type: ignore[arg-type]
            site.say(f"{part.dataset}: {run_id} is not in {target.name}: it is of other cells")
    fresh = [run_id for run_id in asked.runs if run_id not in asked.only]
    for run_id, why in damaged.items():
        site.say(f"{part.dataset}: {run_id} is not scored: {why}")
    return Outcome(
        part.dataset,
        part.fingerprint,
        scored=len(fresh),
        known=len(whole) - len(fresh),
        problem=_problem(damaged, done.collected.lost()),
    )


def _keep(
    site: Site,
    part: Part,
    dataset: RegisteredDataset,
    damaged: Mapping[str, str],
    earlier: Evaluation | None,
    evaluator: Evaluator,
    done: PartRun,
    asked: Wanted,
) -> None:
    """Write what the evaluator has said, together with what still holds."""
    assembly = Assembly(
        dataset=dataset,
        runs=part.runs,
        damaged=damaged,
        earlier=earlier,
        evaluator=evaluator,
        runtime=site.runtime,
        collected=done.collected,
        records=done.records,
        wanted=asked,
    )
    _write_scores(site, part, assembly.evaluation())


def _mark_outdated(site: Site, file: ScoresFile, part: Part) -> None:
    """Say in the file that its scores answer another question, until there are new ones."""
    for item in file.evaluations:
        if item.dataset_fingerprint == part.fingerprint and OUTDATED not in item.notes:
            notes = (OUTDATED, *item.notes)
            _write_scores(site, part, item.model_copy(update={"notes": notes}))


def _settings_of(file: ScoresFile, part: Part) -> Settings:
    """Those that the part was scored with; the defaults where it was not, or by another version."""
    for item in file.evaluations:
        if item.dataset_fingerprint == part.fingerprint:
            with suppress(ValueError):
                return Settings.model_validate(item.evaluator.settings)
    return Settings()


def _without_layout(asked: Wanted, done: PartRun) -> dict[str, object]:
    """Runs that have no layout (few cells, one place), which is known once the evaluator is done.

    They are kept as such, so that they are not asked for by every evaluation from now on.
    """
    if not done.records or done.records[-1].message:
        return {}
    return {run_id: None for run_id in asked.layouts if run_id not in done.layouts}


def _read_scores(site: Site, dataset: str) -> ScoresFile:
    """The scores that are there. Damaged ones are made anew, which is said."""
    path = site.results.scores(dataset)
    if not path.is_file():
        return ScoresFile(dataset=dataset)
    try:
        return ScoresFile.read(path)
    except ResultsError as error:
        site.say(f"{error}: everything is scored again")
        return ScoresFile(dataset=dataset)


def _evaluator(settings: Settings) -> Evaluator:
    spec = EvaluatorSpec.load()
    version = read_pins(spec.requirements)["scib-metrics"].version
    return Evaluator(
        version=spec.version, scib_metrics=version, settings=settings.model_dump(mode="json")
    )


def _earlier(
    file: ScoresFile, part: Part, dataset: RegisteredDataset, evaluator: Evaluator, *, again: bool
) -> Evaluation | None:
    """The scores of the same data that still hold."""
    found = [item for item in file.evaluations if item.dataset_fingerprint == part.fingerprint]
    if again or not found or not is_current(found[0], dataset, evaluator):
        return None
    if not found[0].metrics:  # every run was damaged: nothing has been computed yet
        return None
    return found[0]


def _damaged(runs: Sequence[FoundRun]) -> Mapping[str, str]:
    """Run id → what is wrong with its embedding; its checksum was recorded when it was made."""
    found: dict[str, str] = {}
    for run in runs:
        path = run.folder / "embeddings.h5"
        try:
            whole = path.is_file() and sha256(path) == run.record.checksums.get(path.name)
        except OSError as error:
            found[run.record.run_id] = f"embeddings.h5 can't be read: {error.strerror}"
            continue
        if not path.is_file():
            found[run.record.run_id] = "embeddings.h5 is missing"
        elif not whole:
            found[run.record.run_id] = (
                "embeddings.h5 is not the file that was published: its checksum differs"
            )
    return found


def _limits(site: Site) -> Limits:
    asked = EvaluatorSpec.load().yaml.resources
    return Limits(
        cpus=min(asked.cpus, site.capacity.cpus), memory=min(asked.memory, site.capacity.memory)
    )


def _embeddings_target(results: ResultsFolder, part: Part, file: ScoresFile) -> Path:
    """``embeddings.h5ad``; of further fingerprints, a file with its first digits in the name."""
    path = results.embeddings(part.dataset)
    first = file.evaluations[0].dataset_fingerprint if file.evaluations else part.fingerprint
    if first == part.fingerprint:
        return path
    digits = part.fingerprint.rpartition(":")[2][:8]
    return path.with_name(f"embeddings-{digits}.h5ad")


def _write_scores(site: Site, part: Part, evaluation: Evaluation) -> None:
    path = site.results.scores(part.dataset)
    file = _read_scores(site, part.dataset)
    others = [item for item in file.evaluations if item.dataset_fingerprint != part.fingerprint]
    place = next(
        (
            index
            for index, item in enumerate(file.evaluations)
            if item.dataset_fingerprint == part.fingerprint
        ),
        len(others),
    )
    others.insert(place, evaluation)
    write_atomic(path, file.model_copy(update={"evaluations": tuple(others)}).to_json())


def _problem(damaged: Mapping[str, str], lost: Sequence[ScoreLine]) -> str:
    words = []
    if damaged:
        runs = "1 run is" if len(damaged) == 1 else f"{len(damaged)} runs are"
        words.append(f"{runs} damaged (multiverse verify)")
    if lost:
        scores = "1 score was" if len(lost) == 1 else f"{len(lost)} scores were"
        ((why, _),) = Counter(line.detail for line in lost).most_common(1)
        more = " with more memory (--memory)" if "memory" in why else ""
        words.append(f"{scores} lost: {why}. Evaluate again{more}: what is lost is tried again")
    return "; ".join(words)
