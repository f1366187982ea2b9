"""What lies in a results folder, read once: its runs and its scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from multiverse.errors import ResultsError
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.listing import FoundRun, first_line, read_runs
from multiverse.runs.scores import Evaluation, ScoresFile
from multiverse.specs.names import check_slug


@dataclass(frozen=True)
class Scored:
    """One evaluation and the dataset that it is of."""

    dataset: str
    evaluation: Evaluation


@dataclass(frozen=True)
class Contents:
    """Runs as :func:`multiverse.runs.listing.read_runs` finds them, and every evaluation.

    ``damaged``: a sentence for each record, and each file of scores, that can't be read.
    """

    results: ResultsFolder
    runs: tuple[FoundRun, ...]
    evaluations: tuple[Scored, ...]
    damaged: tuple[str, ...] = ()

    @property
    def complete(self) -> list[FoundRun]:
        return [run for run in self.runs if run.published]

    @property
    def datasets(self) -> list[tuple[str, str]]:
        """Each dataset and fingerprint that has runs, in the order of the runs."""
        pairs = ((run.record.dataset, run.record.dataset_fingerprint) for run in self.runs)
        return list(dict.fromkeys(pairs))

    def evaluations_of(self, dataset: str, fingerprint: str) -> list[Evaluation]:
        return [
            item.evaluation
            for item in self.evaluations
            if item.dataset == dataset and item.evaluation.dataset_fingerprint == fingerprint
        ]


def read_contents(results: ResultsFolder) -> Contents:
    """Read a folder; :class:`ResultsError` if there is none. What is damaged hides only itself."""
    listing = read_runs(results)
    damaged = list(listing.damaged)
    records = [run.record for run in listing.runs]
    found = [
        Scored(scored.dataset, scored.evaluation.of_runs(records))
        for scored in _scores(results, damaged)
    ]
    return Contents(results, listing.runs, tuple(found), tuple(damaged))


def _scores(results: ResultsFolder, damaged: list[str]) -> Iterator[Scored]:
    for path in sorted(results.folder.glob("*/scores.json")):
        name = path.parent.name
        if not _is_slug(name) or path.parent == results.attempts:
            continue
        try:
            file = ScoresFile.read(path)
        except ResultsError as error:
            damaged.append(first_line(error))
            continue
        yield from (Scored(name, evaluation) for evaluation in file.evaluations)


def _is_slug(name: str) -> bool:
    try:
        check_slug(name)
    except ValueError:
        return False
    return True


def relative(path: Path, results: ResultsFolder) -> str:
    """A path inside the folder as others may write it: with slashes."""
    return path.relative_to(results.folder).as_posix()
