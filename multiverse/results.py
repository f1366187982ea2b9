"""What a benchmark left behind, for Python: embeddings as arrays and AnnData.

May import runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiverse.contract.paths import OutputFiles
from multiverse.errors import UsageError
from multiverse.runs.embedding_keys import embedding_keys
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.listing import FoundRun, read_runs
from multiverse.runs.record import RunRecord, RunState

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy import float32
    from numpy.typing import NDArray
    from pandas import DataFrame

    from multiverse.runs.scores import Aggregate, Interval

SCORE_COLUMNS = (
    "dataset", "model", "seed", "run", "metric", "group", "value", "reason", "low", "high",
    "scaled",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run: its record, its files, its embedding."""

    record: RunRecord
    folder: Path

    @property
    def complete(self) -> bool:
        return self.record.state is RunState.COMPLETE

    @property
    def files(self) -> OutputFiles:
        return OutputFiles(self.folder)

    def embedding(self) -> NDArray[float32]:
        """The latent space, float32 of shape (n_cells, n_dims), in the order of your cells.

        Raises :class:`UsageError` if the run is not complete.
        """
        import h5py

        with h5py.File(self._embeddings(), "r") as file:
            latent: NDArray[float32] = file["latent"][...]
        return latent

    def obs_names(self) -> list[str]:
        """The cells' names, in the order of the embedding's rows."""
        import h5py

        with h5py.File(self._embeddings(), "r") as file:
            return [name.decode() for name in file["obs_names"][...]]

    def _embeddings(self) -> Path:
        if not self.complete:
            raise UsageError(
                f"{self.record.model} on {self.record.dataset} has no embedding: "
                f"{self.record.state}, {self.record.message}"
            )
        return self.files.embeddings


@dataclass(frozen=True)
class Results:
    """The runs of a benchmark (of the last call, or of a whole results folder)."""

    folder: Path
    runs: Sequence[Run]
    not_applicable: Sequence[str] = ()
    #: A sentence for each record of the folder that can't be read.
    damaged: Sequence[str] = ()

    @classmethod
    def of(cls, folder: Path, runs: Sequence[FoundRun], not_applicable: Sequence[str]) -> Results:
        return cls(folder, [Run(run.record, run.folder) for run in runs], not_applicable)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, model: str) -> Run:
        """The one run of a model; :meth:`find` where there are several."""
        return self._only(self.find(model=model), f"model {model!r}")

    @property
    def failed(self) -> list[Run]:
        """Runs that should have completed and did not."""
        return [run for run in self.runs if run.record.state is RunState.FAILED]

    def find(
        self, *, model: str | None = None, dataset: str | None = None, seed: int | None = None
    ) -> list[Run]:
        """The runs that match everything that is given."""
        return [
            run
            for run in self.runs
            if model in (None, run.record.model)
            and dataset in (None, run.record.dataset)
            and seed in (None, run.record.seed)
        ]

    def to_anndata(self, dataset: str | None = None) -> AnnData:
        """Every embedding of one dataset in ``obsm`` (``X_pca``, ``X_mofa``, …).

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
        """Every score of these runs, one row each; empty before an evaluation.

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
        from multiverse.runs.scores import ScoresFile

        path = ResultsFolder(self.folder).scores(dataset)
        if not path.is_file():
            return
        file = ScoresFile.read(path)
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
                       *_bounds(score.interval), score.scaled)  # fmt: skip
            for name in ("bio", "batch", "total"):
                mean: Aggregate = getattr(member, name)
                yield (*first, name, "aggregate", mean.value, mean.reason,
                       *_bounds(mean.interval), mean.scaled)  # fmt: skip

    def _only(self, runs: Sequence[Run], wanted: str) -> Run:
        if len(runs) == 1:
            return runs[0]
        if not runs:
            models = ", ".join(sorted({run.record.model for run in self.runs})) or "none"
            raise UsageError(f"there is no run of {wanted}; models with runs: {models}")
        raise UsageError(f"{wanted} has {len(runs)} runs: use find(dataset=…, seed=…)")


def _bounds(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def open_results(folder: str | Path) -> Results:
    """The runs of an existing results folder."""
    path = Path(folder)
    listing = read_runs(ResultsFolder(path))
    runs = [Run(run.record, run.folder) for run in listing.runs]
    return Results(path, runs, damaged=listing.damaged)
