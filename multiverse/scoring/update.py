"""One fingerprint of a dataset, brought up to date: its scores, and ``embeddings.h5ad``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from multiverse.errors import Cancelled, EngineError
from multiverse.runs.run import Run
from multiverse.runs.writing import checksum
from multiverse.scoring.answers import Cohort, find_answers
from multiverse.scoring.cohort import CohortRun, CohortScoring
from multiverse.scoring.collected import Collected
from multiverse.scoring.context import ScoringContext
from multiverse.scoring.embeddings_file import layouts_that_hold, write_embeddings
from multiverse.scoring.evaluation import Assembly
from multiverse.scoring.outcome import ScoringOptions, ScoringOutcome, problem_of
from multiverse.scoring.store import ScoresStore
from multiverse.scoring.wanted import wanted

if TYPE_CHECKING:
    from multiverse.scoring.embeddings_file import Points


class CohortUpdate:
    """What is there, what is wanted, and how the one becomes the other."""

    def __init__(self, context: ScoringContext, cohort: Cohort, options: ScoringOptions) -> None:
        """Raises :class:`DatasetError` where this machine has no answer sheet for the cohort."""
        self._context = context
        self._cohort = cohort
        self._dataset = find_answers(cohort)
        self._store = ScoresStore(context.results, cohort, context.say)
        self._settings = options.settings or self._store.settings
        self._evaluator = context.evaluator(self._settings)
        current = self._store.current(self._dataset, self._evaluator)
        self._earlier = None if options.again else current
        self._damaged = damaged_runs(cohort.runs)
        self._whole = [run for run in cohort.runs if run.record.run_id not in self._damaged]
        self._laid: Mapping[str, Points | None] = (
            {} if options.again else layouts_that_hold(self._store.embeddings, self._whole)
        )
        self._wanted = wanted(self._whole, self._earlier, list(self._laid))

    def run(self) -> ScoringOutcome:
        """Score what is new and write it. Raises what :meth:`CohortScoring.run` raises."""
        if self._earlier is None:
            self._store.mark_outdated()
        done = self._score()
        self._keep(done)
        self._write_embeddings(done)
        for run_id, why in self._damaged.items():
            self._context.say(f"{self._cohort.dataset}: {run_id} is not scored: {why}")
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
        scoring = CohortScoring(
            self._context, self._cohort, self._dataset, self._wanted, self._settings
        )
        try:
            return scoring.run()
        except (Cancelled, EngineError):
            so_far = scoring.done()
            if so_far.collected.sheet is not None:  # what is computed is not computed again
                self._keep(so_far)
            raise

    def _keep(self, done: CohortRun) -> None:
        """Write what the evaluator has said, together with what still holds."""
        assembly = Assembly(
            dataset=self._dataset,
            runs=self._cohort.runs,
            damaged=self._damaged,
            earlier=self._earlier,
            evaluator=self._evaluator,
            runtime=self._context.runtime,
            collected=done.collected,
            records=done.records,
            wanted=self._wanted,
        )
        self._store.keep(assembly.evaluation())

    def _write_embeddings(self, done: CohortRun) -> None:
        target, asked = self._store.embeddings, self._wanted
        if not self._whole or not (asked.layouts or asked.runs or not target.is_file()):
            return
        layouts = {**self._laid, **done.layouts, **self._without_layout(done)}
        for run_id in write_embeddings(target, self._dataset, self._whole, layouts):
            words = f"{run_id} is not in {target.name}: it is of other cells"
            self._context.say(f"{self._cohort.dataset}: {words}")

    def _without_layout(self, done: CohortRun) -> Mapping[str, None]:
        """Runs that have none (few cells, one place), which is known once the evaluator is done.

        They are kept as such, so that they are not asked for by every evaluation from now on.
        """
        if not done.records or done.records[-1].message:
            return {}
        return {run_id: None for run_id in self._wanted.layouts if run_id not in done.layouts}


def damaged_runs(runs: Sequence[Run]) -> Mapping[str, str]:
    """Run id → what is wrong with its embedding; its checksum was recorded when it was made."""
    found = {run.record.run_id: _damage(run) for run in runs}
    return {run_id: why for run_id, why in found.items() if why}


def _damage(run: Run) -> str:
    path = run.files.embeddings
    try:
        if not path.is_file():
            return f"{path.name} is missing"
        if checksum(path) != run.record.embedding_checksum:
            return f"{path.name} is not the file that was published: its checksum differs"
    except OSError as error:
        return f"{path.name} can't be read: {error.strerror}"
    return ""
