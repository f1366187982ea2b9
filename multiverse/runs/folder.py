"""The classes that name every file of a results folder, of a run and of an attempt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from multiverse.contract.folders import (
    exists,
    folders_in,
    is_file,
    is_folder,
    make_folder,
    names_in,
    resolved,
)
from multiverse.contract.paths import OutputFiles
from multiverse.errors import ResultsError
from multiverse.specs.names import is_slug

_RUN_ID = re.compile(r"[0-9a-f]{16}")


def is_run_id(name: str) -> bool:
    """Return whether a name has the form of a run's id: 16 hexadecimal digits."""
    return _RUN_ID.fullmatch(name) is not None


def check_run_id(name: str) -> str:
    """Return a run's id; ValueError for what is none."""
    if not is_run_id(name):
        raise ValueError(f"{name!r:.60} is not the id of a run")
    return name


def check_name(name: str) -> str:
    """Return the name of one thing in one folder; ValueError for what leads elsewhere."""
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r:.60} is not the name of a file")
    return name


@dataclass(frozen=True)
class RunFolder(OutputFiles):
    """``<dataset>/<model>/<run-id>/``: complete, immutable, checksummed."""

    @property
    def record(self) -> Path:
        return self.folder / "run.json"

    @property
    def container_log(self) -> Path:
        return self.folder / "container.log"

    @property
    def run_id(self) -> str:
        return self.folder.name


@dataclass(frozen=True)
class AttemptFolder:
    """``attempts/<run-id>/<n>/``: in flight, failed or cancelled.

    Only ``output`` is given to the model; the record and the engine's log lie beside it, out
    of the model's reach.
    """

    folder: Path

    @property
    def number(self) -> int:
        return int(self.folder.name)

    @property
    def output(self) -> OutputFiles:
        return OutputFiles(self.folder / "output")

    @property
    def record(self) -> Path:
        return self.folder / "run.json"

    @property
    def started(self) -> Path:
        """The facts known of the attempt before it begins: enough to end it in another process."""
        return self.folder / "started.json"

    @property
    def ended(self) -> Path:
        """How its process ended, of an attempt whose output is still to be judged."""
        return self.folder / "ended.json"

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do for it: it has a record that is its last."""
        return is_file(self.record) and not exists(self.ended)

    @property
    def live(self) -> Path:
        """The usage of the attempt up to now, for whoever watches from another terminal."""
        return self.folder / "live.json"

    @property
    def container_log(self) -> Path:
        return self.folder / "container.log"

    @property
    def replaced(self) -> Path:
        """The run that this attempt replaces, while it does."""
        return self.folder / "replaced"

    @property
    def staged(self) -> RunFolder:
        """The folder where a checked run is put together before the rename that publishes it."""
        return RunFolder(self.folder / "staged")


@dataclass(frozen=True)
class ResultsFolder:
    """``<output>/``: runs, attempts and what is derived from them.

    Links are followed on the way to the folder, which a user names (:meth:`at`), and nowhere in
    it, where others may write.
    """

    folder: Path

    @classmethod
    def at(cls, folder: str | Path) -> ResultsFolder:
        """Name the files of a folder as a user gives it; links on the way are followed now."""
        return cls(resolved(Path(folder)))

    @property
    def benchmark(self) -> Path:
        return self.folder / "benchmark.yaml"

    @property
    def runs_table(self) -> Path:
        return self.folder / "runs.csv"

    @property
    def lock(self) -> Path:
        return self.folder / ".multiverse.lock"

    @property
    def plan(self) -> Path:
        """The jobs of the newest command, for whoever watches from another terminal."""
        return self.folder / "plan.json"

    @property
    def rewritten(self) -> tuple[Path, ...]:
        """The files that every command writes anew: aside, and then by one rename."""
        return (self.benchmark, self.runs_table, self.plan)

    @property
    def attempts(self) -> Path:
        return self.folder / "attempts"

    @property
    def report(self) -> Path:
        """One self-contained page."""
        return self.folder / "report.html"

    @property
    def scores_table(self) -> Path:
        return self.folder / "scores.csv"

    @property
    def figures(self) -> Path:
        return self.folder / "figures"

    @property
    def crate(self) -> Path:
        """The metadata that make the folder a research object: Workflow Run RO-Crate."""
        return self.folder / "ro-crate-metadata.json"

    @property
    def tracking(self) -> Path:
        """The local MLflow store: an SQLite file."""
        return self.folder / "mlflow.db"

    @property
    def tracking_files(self) -> tuple[Path, ...]:
        """The local MLflow store with what SQLite keeps beside it while it works."""
        beside = ("-journal", "-wal", "-shm")
        return (self.tracking, *(Path(f"{self.tracking}{suffix}") for suffix in beside))

    @property
    def tracked_files(self) -> Path:
        """The files of the local MLflow store; hidden, for a visible folder would be a dataset."""
        return self.folder / ".mlflow-artifacts"

    @property
    def tracking_lock(self) -> Path:
        """Held by the command that copies runs to MLflow."""
        return self.folder / ".mlflow.lock"

    @property
    def evaluation_lock(self) -> Path:
        """Held by the command that scores runs."""
        return self.folder / ".evaluation.lock"

    @property
    def evaluations(self) -> Path:
        """The folder of evaluations at work; hidden, and empty when there is none."""
        return self.folder / ".evaluations"

    def scores(self, dataset: str) -> Path:
        return self.folder / dataset / "scores.json"

    def scored_datasets(self) -> list[str]:
        """Return the datasets that have scores, sorted."""
        names = filter(is_slug, names_in(self.folder))
        return [name for name in names if name != self.attempts.name and exists(self.scores(name))]

    def relative(self, path: Path) -> str:
        """Return a path inside the folder as others may write it: with slashes."""
        return path.relative_to(self.folder).as_posix()

    def evaluation_log(self, dataset: str) -> Path:
        """Return the log of the dataset's last evaluation."""
        return self.folder / dataset / "evaluation.log"

    def embeddings(self, dataset: str) -> Path:
        """Return the file of all embeddings of a dataset with UMAP, labels and batches."""
        return self.folder / dataset / "embeddings.h5ad"

    def check(self) -> None:
        """Raise :class:`ResultsError` where there is no such folder."""
        if not is_folder(self.folder):
            raise ResultsError(
                f"{self.folder} is not a results folder",
                remedy="Name the folder given to `multiverse run --output`.",
            )

    def run_lock(self, run_id: str) -> Path:
        """Return the lock that is held by the runner that works on a run."""
        return self.attempts / f"{run_id}.lock"

    def run(self, dataset: str, model: str, run_id: str) -> RunFolder:
        return RunFolder(self.folder / dataset / model / run_id)

    def runs_of(self, dataset: str, model: str) -> list[RunFolder]:
        """Return the published runs of one model on one dataset."""
        parent = self.folder / dataset / model
        runs = [RunFolder(parent / name) for name in names_in(parent)]
        return [run for run in runs if is_file(run.record)]

    def last_attempt(self, run_id: str) -> AttemptFolder | None:
        """Return the newest attempt of a run that left a record."""
        attempts = [item for item in self.attempts_of(run_id) if is_file(item.record)]
        return attempts[-1] if attempts else None

    def attempts_of(self, run_id: str) -> list[AttemptFolder]:
        """Return every attempt that left a folder, oldest first; a link is none."""
        parent = self.attempts / run_id
        names = (name for name in folders_in(parent) if name.isascii() and name.isdigit())
        return [AttemptFolder(parent / str(number)) for number in sorted(map(int, names))]

    def new_attempt(self, run_id: str) -> AttemptFolder:
        """Make a fresh attempt folder with an empty output folder, numbered after the last one."""
        names = (name for name in names_in(self.attempts / run_id) if name.isascii())
        number = max((int(name) for name in names if name.isdigit()), default=0) + 1
        attempt = AttemptFolder(self.attempts / run_id / str(number))
        # Closed: a model may leave programs that run with its user's rights, for all to start.
        make_folder(attempt.folder, 0o700, new=True)
        make_folder(attempt.output.folder, new=True)
        return attempt
