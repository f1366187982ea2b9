"""One fingerprint of a dataset, brought up to date: ``scores.json`` and ``embeddings.h5ad``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.contract.folders import exists, is_file
from multiverse.contract.scores import Group
from multiverse.errors import Cancelled, DiskFull, EngineError, ResultsError
from multiverse.events import Noted, Tell
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.run import Run
from multiverse.runs.scores import Evaluation, Evaluator, ScoresFile, Weights
from multiverse.runs.writing import checksum, write_atomic
from multiverse.scoring.answers import Cohort, DataNotHere, find_answers
from multiverse.scoring.cohort import CohortRun, CohortScoring
from multiverse.scoring.collected import Collected
from multiverse.scoring.embeddings_file import layouts_that_hold, write_embeddings
from multiverse.scoring.evaluation import Assembly
from multiverse.scoring.evaluator import CohortRequest, ScoringContext
from multiverse.scoring.outcome import ScoringOptions, ScoringOutcome, problem_of, with_remedy
from multiverse.scoring.wanted import is_current, wanted

if TYPE_CHECKING:
    from multiverse.scoring.embeddings_file import Points


#: Among the notes of scores that are to be made anew.
OUTDATED = (
    "these scores are outdated: the labels, the evaluator or its settings have changed since, and "
    "scoring again has not succeeded yet"
)


class ScoresStore:
    """The scores of one cohort. Whoever holds it is alone with the folder."""

    def __init__(self, results: ResultsFolder, cohort: Cohort, tell: Tell) -> None:
        self._results = results
        self._cohort = cohort
        self._path = results.scores(cohort.dataset)
        self._file = self._read(tell)

    def _read(self, tell: Tell) -> ScoresFile:
        """Return the scores that are there. Damaged ones are made anew, which is said."""
        if not exists(self._path):
            return ScoresFile(dataset=self._cohort.dataset)
        try:
            return ScoresFile.read(self._path)
        except ResultsError as error:
            tell(Noted(f"{error}: everything is scored again"))
            return ScoresFile(dataset=self._cohort.dataset)

    @property
    def settings(self) -> EvaluationSettings:
        """The cohort's settings; defaults if scored by another version or not at all."""
        found = self._file.of(self._cohort.fingerprint)
        if found is not None:
            with suppress(ValueError):
                return EvaluationSettings.model_validate(found.evaluator.settings)
        return EvaluationSettings()

    @property
    def weights(self) -> Weights:
        """The weights that the cohort's means were made with; the usual ones if there are none."""
        found = self._file.of(self._cohort.fingerprint)
        return Weights() if found is None else found.weights

    def current(self, dataset: RegisteredDataset, evaluator: Evaluator) -> Evaluation | None:
        """Return the scores that still hold: of the same labels, evaluator and settings."""
        found = self._file.of(self._cohort.fingerprint)
        if found is None or not is_current(found, dataset, evaluator):
            return None
        return found if found.metrics else None  # none: every run was damaged

    def mark_outdated(self) -> None:
        """Say in the file that its scores answer another question, until there are new ones."""
        found = self._file.of(self._cohort.fingerprint)
        if found is not None and OUTDATED not in found.notes:
            self.keep(found.model_copy(update={"notes": (OUTDATED, *found.notes)}))

    def has_all_of(self, runs: Sequence[Run]) -> Evaluation | None:
        """Return the scores that exist if they, and the layouts, are of all these runs."""
        found = self._file.of(self._cohort.fingerprint)
        layouts = list(layouts_that_hold(self.embeddings, runs))
        return None if found is None or not wanted(runs, found, layouts).nothing else found

    def keep(self, evaluation: Evaluation) -> None:
        """Write the cohort's scores; those of other fingerprints stay."""
        self._file = self._file.including(evaluation)
        write_atomic(self._path, self._file.to_json())

    @property
    def embeddings(self) -> Path:
        """``embeddings.h5ad``; of further fingerprints, one with their first digits in its name."""
        path, fingerprint = self._results.embeddings(self._cohort.dataset), self._cohort.fingerprint
        scored = self._file.evaluations
        if not scored or scored[0].dataset_fingerprint == fingerprint:
            return path
        digits = fingerprint.rpartition(":")[2][:8]
        return path.with_name(f"{path.stem}-{digits}{path.suffix}")


class CohortUpdate:
    """The scores that exist, those that are wanted, and the steps from the one to the other."""

    def __init__(self, context: ScoringContext, cohort: Cohort, options: ScoringOptions) -> None:
        """Find labels and scores of the cohort; :class:`DatasetError` where labels are not here."""
        self._context = context
        self._cohort = cohort
        self._dataset = find_answers(cohort)
        self._store = ScoresStore(context.results, cohort, context.tell)
        self._settings = options.settings or self._store.settings
        self._weights = options.weights or self._store.weights
        self._evaluator = context.evaluator(self._settings)
        current = self._store.current(self._dataset, self._evaluator)
        self._earlier = None if options.again else current
        self._damaged = damaged_runs(cohort.runs)
        self._whole = [run for run in cohort.runs if run.record.run_id not in self._damaged]
        self._laid: Mapping[str, Points | None] = (
            {} if options.again else layouts_that_hold(self._store.embeddings, self._whole)
        )
        self._wanted = wanted(self._whole, self._earlier, list(self._laid))
        asked = CohortRequest(
            context, cohort, self._dataset, self._wanted, self._settings, options.again
        )
        self._scoring = CohortScoring(asked)

    def run(self) -> ScoringOutcome:
        """Score what is new and write it. Raises what :meth:`CohortScoring.run` raises."""
        if self._earlier is None:
            self._store.mark_outdated()
        try:
            done = self._score()
            self._keep(done)
            self._write_embeddings(done)
        except (EngineError, DiskFull):
            raise  # what the evaluator wrote stays: the next command goes on from there
        except BaseException:
            self._scoring.remove()
            raise
        self._scoring.remove()
        for run_id, why in self._damaged.items():
            words = f"{run_id} is not scored: {why}"
            self._context.tell(Noted(f"{self._cohort.dataset}: {words}"))
        fresh = [run_id for run_id in self._wanted.runs if run_id not in self._wanted.only]
        return ScoringOutcome(
            self._cohort.dataset,
            self._cohort.fingerprint,
            scored=len(fresh),
            known=len(self._whole) - len(fresh),
            problem=problem_of(self._damaged, done.collected.lost()),
        )

    def _score(self) -> CohortRun:
        if self._wanted.nothing or not self._whole:
            return CohortRun(Collected(), {}, [])
        try:
            return self._scoring.run()
        except (Cancelled, EngineError):
            so_far = self._scoring.done()
            if so_far.collected.sheet is not None:  # what is computed is not computed again
                self._keep(so_far)
            raise

    def _keep(self, done: CohortRun) -> None:
        """Write what the evaluator has said, together with what still holds."""
        # A command that was killed when it had kept the scores has left a record of them as well.
        known = self._earlier.records if self._earlier else ()
        assembly = Assembly(
            dataset=self._dataset,
            runs=self._cohort.runs,
            damaged=self._damaged,
            earlier=self._earlier,
            evaluator=self._evaluator,
            runtime=self._context.runtime,
            collected=done.collected,
            records=[record for record in done.records if record not in known],
            wanted=self._wanted,
            weights=self._weights,
        )
        evaluation = assembly.evaluation()
        self._store.keep(evaluation)
        for name in unknown_metrics(evaluation):
            metrics = ", ".join(
                metric.name for metric in evaluation.metrics if metric.group is not Group.STRUCTURE
            )
            words = f"a weight is given to {name!r:.60}, which is no metric; there are {metrics}"
            self._context.tell(Noted(f"{self._cohort.dataset}: {words}"))

    def _write_embeddings(self, done: CohortRun) -> None:
        target, asked = self._store.embeddings, self._wanted
        if not self._whole or not (asked.layouts or asked.runs or not is_file(target)):
            return
        layouts = {**self._laid, **done.layouts, **self._without_layout(done)}
        for run_id in write_embeddings(target, self._dataset, self._whole, layouts):
            words = f"{run_id} is not in {target.name}: it is of other cells"
            self._context.tell(Noted(f"{self._cohort.dataset}: {words}"))

    def _without_layout(self, done: CohortRun) -> Mapping[str, None]:
        """Return runs without a layout (few cells, one place), once the evaluator is done.

        They are kept as such, so that they are not asked for by every evaluation from now on.
        """
        if not done.records or done.records[-1].message:
            return {}
        return {run_id: None for run_id in self._wanted.layouts if run_id not in done.layouts}


def unknown_metrics(evaluation: Evaluation) -> list[str]:
    """Return the names that have a weight and are no metric of a mean."""
    known = {metric.name for metric in evaluation.metrics if metric.group is not Group.STRUCTURE}
    return [name for name in evaluation.weights.metrics if name not in known]


def damaged_runs(runs: Sequence[Run]) -> Mapping[str, str]:
    """Run id → what is wrong with its embedding; its checksum was recorded when it was made."""
    found = {run.record.run_id: _damage(run) for run in runs}
    return {run_id: why for run_id, why in found.items() if why}


def _damage(run: Run) -> str:
    path = run.files.embeddings
    try:
        if not exists(path):
            return f"{path.name} is missing"
        if checksum(path) != run.record.embedding_checksum:
            return f"{path.name} is not the file that was published: its checksum differs"
    except OSError as error:
        return f"{path.name} can't be read: {error.strerror}"
    return ""


def without_data(
    context: ScoringContext, cohort: Cohort, options: ScoringOptions, error: DataNotHere
) -> ScoringOutcome:
    """Return the outcome where the data are not on this machine: scores of all runs are kept.

    A results folder that was moved has its scores, and its cells with their labels in
    ``embeddings.h5ad``; new scores need the counts as well.
    """
    store = ScoresStore(context.results, cohort, context.tell)
    outcome = ScoringOutcome(cohort.dataset, cohort.fingerprint)
    where = f"{cohort.dataset}/{store.embeddings.name}"
    kept = None if options.again else store.has_all_of(cohort.runs)
    if kept is not None:
        words = f"the scores are kept as they are, and {where} has the cells"
        if kept.sheet.label_key is not None:
            words += f" with their labels ({kept.sheet.label_key:.60})"
        context.tell(Noted(f"{cohort.dataset}: the data are not on this machine: {words}."))
        return replace(outcome, known=len(cohort.runs))
    text = with_remedy(error)
    if is_file(store.embeddings):
        text += f". What was scored is kept, and {where} has its cells with all their columns."
    context.tell(Noted(text))
    return replace(outcome, problem=text)
