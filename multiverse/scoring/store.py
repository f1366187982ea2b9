"""``scores.json`` while one fingerprint of its dataset is scored: what holds, what is kept."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.engines.protocol import Say
from multiverse.errors import ResultsError
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.scores import Evaluation, Evaluator, ScoresFile
from multiverse.runs.writing import write_atomic
from multiverse.scoring.answers import Cohort
from multiverse.scoring.wanted import is_current

#: Among the notes of scores that are to be made anew.
OUTDATED = (
    "these scores are outdated: the labels, the evaluator or its settings have changed since, and "
    "scoring again has not succeeded yet"
)


class ScoresStore:
    """The scores of one cohort. Whoever holds it is alone with the folder."""

    def __init__(self, results: ResultsFolder, cohort: Cohort, say: Say) -> None:
        self._results = results
        self._cohort = cohort
        self._path = results.scores(cohort.dataset)
        self._file = self._read(say)

    def _read(self, say: Say) -> ScoresFile:
        """The scores that are there. Damaged ones are made anew, which is said."""
        if not self._path.is_file():
            return ScoresFile(dataset=self._cohort.dataset)
        try:
            return ScoresFile.read(self._path)
        except ResultsError as error:
            say(f"{error}: everything is scored again")
            return ScoresFile(dataset=self._cohort.dataset)

    @property
    def settings(self) -> EvaluationSettings:
        """Return the cohort's settings; defaults if scored by another version or not at all."""
        found = self._file.of(self._cohort.fingerprint)
        if found is not None:
            with suppress(ValueError):
                return EvaluationSettings.model_validate(found.evaluator.settings)
        return EvaluationSettings()

    def current(self, dataset: RegisteredDataset, evaluator: Evaluator) -> Evaluation | None:
        """The scores that still hold: of the same answer sheet, evaluator and settings."""
        found = self._file.of(self._cohort.fingerprint)
        if found is None or not is_current(found, dataset, evaluator):
            return None
        return found if found.metrics else None  # none: every run was damaged

    def mark_outdated(self) -> None:
        """Say in the file that its scores answer another question, until there are new ones."""
        found = self._file.of(self._cohort.fingerprint)
        if found is not None and OUTDATED not in found.notes:
            self.keep(found.model_copy(update={"notes": (OUTDATED, *found.notes)}))

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
