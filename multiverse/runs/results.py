"""The runs and scores of a results folder, read once.

Whatever is made of a results folder takes :class:`Results`, and nobody else reads records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiverse.contract.folders import kept_open
from multiverse.errors import ResultsError, UsageError
from multiverse.facts import RunState
from multiverse.runs.embedding_keys import embedding_keys
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.places import attempt_folders, published_runs
from multiverse.runs.run import FileReader, RecordReader, Run, first_line, without_collection

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

    from multiverse.runs.scores import Aggregate, Evaluation, ScoresFile

SCORE_COLUMNS = (
    "dataset", "model", "seed", "run", "metric", "group", "value", "reason", "low", "high",
    "scaled",
)  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """One evaluation and the dataset that it is of."""

    dataset: str
    evaluation: Evaluation


@dataclass
class _Readers:
    """The files read of a folder, kept for the next look at it."""

    records: RecordReader = field(default_factory=RecordReader)
    scores: FileReader[ScoresFile] = field(default_factory=lambda: FileReader(_read_scores))


@dataclass(frozen=True)
class Results:
    """The runs of a benchmark (of the last call, or of a whole results folder) and their scores.

    Of a whole folder: the complete runs, then the last attempt of every run that has not
    completed, without those that still run.
    """

    folder: Path
    runs: Sequence[Run]
    not_applicable: Sequence[str] = ()
    #: A sentence for each record of the folder that can't be read.
    damaged_records: Sequence[str] = ()
    _readers: _Readers = field(default_factory=_Readers, repr=False, compare=False)

    @classmethod
    def open(cls, folder: str | Path | ResultsFolder) -> Results:
        """Read a whole folder; :class:`ResultsError` if there is none.

        What is damaged hides only itself.
        """
        paths = folder if isinstance(folder, ResultsFolder) else ResultsFolder.at(folder)
        return cls(paths.folder, ()).refresh()

    def refresh(self) -> Results:
        """Return the whole folder as it is now. What has not changed is not read again."""
        self.paths.check()
        damaged: list[str] = []
        records = self._readers.records
        with without_collection(), kept_open():
            published = (run.record for run in published_runs(self.paths))
            complete = list(records.runs(published, damaged))
            done = {run.record.run_id for run in complete}
            last: dict[str, Run] = {}
            kept = (attempt.record for attempt in attempt_folders(self.paths))
            for run in records.runs(kept, damaged):  # by number
                if run.record.run_id not in done and run.record.state is not RunState.RUNNING:
                    last[run.record.run_id] = run
        runs = (*complete, *last.values())
        return Results(self.folder, runs, damaged_records=tuple(damaged), _readers=self._readers)

    def read(self, record: Path) -> Run:
        """Read one run of the folder, if it has changed; :class:`ResultsError` if it can't be."""
        try:
            found = self._readers.records.content(record)
        except OSError as error:
            raise ResultsError(f"{record} can't be read: {error.strerror}") from error
        if isinstance(found, ResultsError):
            raise found
        return found

    def only(self, runs: Sequence[Run], not_applicable: Sequence[str] = ()) -> Results:
        """Return some runs of the folder: those of one command."""
        return replace(self, runs=tuple(runs), not_applicable=tuple(not_applicable))

    @property
    def paths(self) -> ResultsFolder:
        """The names of the folder's files."""
        return ResultsFolder(self.folder)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, model: str) -> Run:
        """Return the one run of a model; :meth:`find` where there are several."""
        return self._only(self.find(model=model), f"model {model!r}")

    @property
    def complete(self) -> list[Run]:
        """The runs that have an embedding."""
        return [run for run in self.runs if run.complete]

    @property
    def failed(self) -> list[Run]:
        """Runs that should have completed and did not."""
        return [run for run in self.runs if run.record.state is RunState.FAILED]

    @property
    def damaged(self) -> Sequence[str]:
        """A sentence for each record, and each file of scores, that can't be read."""
        wrong = (file for file in self._files.values() if isinstance(file, ResultsError))
        return (*self.damaged_records, *map(first_line, wrong))

    def find(
        self, *, model: str | None = None, dataset: str | None = None, seed: int | None = None
    ) -> list[Run]:
        """Return the runs that match everything that is given."""
        return [
            run
            for run in self.runs
            if model in (None, run.record.model)
            and dataset in (None, run.record.dataset)
            and seed in (None, run.record.seed)
        ]

    def with_id(self, digits: str) -> Run:
        """Return the run whose id begins so; :class:`UsageError` if none or several do."""
        found = [run for run in self.runs if run.record.run_id.startswith(digits)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise UsageError(
                f"no run in {self.folder} has an id that begins with {digits!r:.40}",
                remedy=f"List them: multiverse runs {self.folder}",
            )
        ids = ", ".join(run.record.run_id for run in found[:8])
        raise UsageError(f"{digits!r} could be {len(found)} runs: {ids}")

    @property
    def datasets(self) -> list[tuple[str, str]]:
        """Each dataset and fingerprint that has runs, in the order of the runs."""
        pairs = ((run.record.dataset, run.record.dataset_fingerprint) for run in self.runs)
        return list(dict.fromkeys(pairs))

    @cached_property
    def _files(self) -> dict[str, ScoresFile | ResultsError]:
        """Dataset → its scores, or what is wrong with them; only those that have some."""
        content = self._readers.scores.content
        return {name: content(self.paths.scores(name)) for name in self.paths.scored_datasets()}

    @cached_property
    def evaluations(self) -> tuple[Scored, ...]:
        """Every evaluation, with the scores of these runs, of the embeddings they have now."""
        records = [run.record for run in self.runs]
        return tuple(
            Scored(dataset, evaluation.of_runs(records))
            for dataset, file in self._files.items()
            if not isinstance(file, ResultsError)
            for evaluation in file.evaluations
        )

    def evaluations_of(self, dataset: str, fingerprint: str) -> list[Evaluation]:
        """Return the evaluations of one fingerprint of a dataset, oldest first."""
        return [
            item.evaluation
            for item in self.evaluations
            if item.dataset == dataset and item.evaluation.dataset_fingerprint == fingerprint
        ]

    def scores_file(self, dataset: str) -> ScoresFile:
        """Return a dataset's scores; an empty file where there are none.

        Raises :class:`ResultsError` if they are damaged.
        """
        found = self._files.get(dataset)
        if isinstance(found, ResultsError):
            raise found
        if found is None:
            from multiverse.runs.scores import ScoresFile

            return ScoresFile(dataset=dataset)
        return found

    def to_anndata(self, dataset: str | None = None) -> AnnData:
        """Return every embedding of one dataset in ``obsm`` (``X_pca``, ``X_mofa``, …).

        Rows are your cells in your order. Where a model ran more than once, the run's id is
        part of the key. Raises :class:`UsageError` if there is nothing, or several datasets.
        """
        import numpy as np
        from anndata import AnnData

        runs = [run for run in self.find(dataset=dataset) if run.complete]
        names = {run.record.dataset_fingerprint for run in runs}
        if len(names) != 1:
            found = ", ".join(sorted({run.record.dataset for run in runs})) or "no complete run"
            raise UsageError(f"name one dataset; there is: {found}")
        cells = runs[0].obs_names()
        table = AnnData(X=np.empty((len(cells), 0), dtype=np.float32))
        table.obs_names = cells
        keys = embedding_keys(run.record for run in runs)
        for run in runs:
            table.obsm[f"X_{keys[run.record.run_id]}"] = run.embedding()
        return table

    def scores(self, dataset: str | None = None) -> DataFrame:
        """Return every score of these runs, one row each; empty before an evaluation.

        Columns: ``dataset``, ``model``, ``seed``, ``run``, ``metric``, ``group``, ``value`` (NaN
        where it is not available), ``reason``, ``low`` and ``high`` (95 % interval), ``scaled``.
        ``total``, ``bio`` and ``batch`` are metrics of the group ``aggregate``.
        """
        from pandas import DataFrame

        rows = [
            row
            for slug in sorted({run.record.dataset for run in self.find(dataset=dataset)})
            for row in self._score_rows(slug)
        ]
        return DataFrame(rows, columns=list(SCORE_COLUMNS))

    def _score_rows(self, dataset: str) -> Iterator[tuple[Any, ...]]:
        from multiverse.runs.aggregate import bounds  # a run has no scores before its first job

        file = self.scores_file(dataset)
        groups = {
            metric.name: str(metric.group) for item in file.evaluations for metric in item.metrics
        }
        for run in self.find(dataset=dataset):
            record, member = run.record, file.find(run.record)
            if member is None:
                continue
            first = (dataset, record.model, record.seed, record.run_id)
            for name, score in member.scores.items():
                reason = "" if score.reason is None else str(score.reason)
                yield (*first, name, groups.get(name, ""), score.value, reason,
                       *bounds(score.interval), score.scaled)  # fmt: skip
            for name in ("bio", "batch", "total"):
                mean: Aggregate = getattr(member, name)
                yield (*first, name, "aggregate", mean.value, mean.reason,
                       *bounds(mean.interval), mean.scaled)  # fmt: skip

    def _only(self, runs: Sequence[Run], wanted: str) -> Run:
        if len(runs) == 1:
            return runs[0]
        if not runs:
            models = ", ".join(sorted({run.record.model for run in self.runs})) or "none"
            raise UsageError(f"there is no run of {wanted}; models with runs: {models}")
        raise UsageError(f"{wanted} has {len(runs)} runs: use find(dataset=…, seed=…)")


def _read_scores(path: Path) -> ScoresFile:
    from multiverse.runs.scores import ScoresFile  # a run has none before its first job

    return ScoresFile.read_in_place(path)
