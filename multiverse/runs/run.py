"""One run: its record, its files, its embedding; and a reader that reads each file once."""

from __future__ import annotations

import errno
import gc
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from multiverse.contract.folders import names_in, status
from multiverse.contract.latent import read_cell_names, read_latent
from multiverse.contract.paths import OutputFiles
from multiverse.errors import ResultsError, UsageError
from multiverse.facts import RunState
from multiverse.runs.folder import AttemptFolder, ResultsFolder, RunFolder
from multiverse.runs.record import AWAY, RunRecord

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

Content = TypeVar("Content")


@dataclass(frozen=True)
class Run:
    """A record and where it lies: a published run, or an attempt that did not complete."""

    record: RunRecord
    folder: Path

    @property
    def complete(self) -> bool:
        """True if it is published, with an embedding."""
        return self.record.state is RunState.COMPLETE

    @property
    def files(self) -> OutputFiles:
        """The model's own files: of an attempt, apart from what the runner wrote."""
        return RunFolder(self.folder) if self.complete else AttemptFolder(self.folder).output

    @property
    def container_log(self) -> Path:
        """The output of its container, as the engine received it."""
        return RunFolder(self.folder).container_log

    @property
    def names(self) -> list[str]:
        """The names of what is in its folder, sorted. Raises OSError."""
        return names_in(self.folder)

    def embedding(self) -> NDArray[float32]:
        """Return the latent space, float32 of shape (n_cells, n_dims), in the order of your cells.

        Raises :class:`UsageError` if the run is not complete, :class:`ResultsError` if its file
        is damaged.
        """
        return self._read(read_latent)

    def obs_names(self) -> list[str]:
        """Return the cells' names, in the order of the embedding's rows. Raises as it."""
        return self._read(read_cell_names)

    def _read(self, read: Callable[[Path], Content]) -> Content:
        if not self.complete:
            raise UsageError(
                f"{self.record.model} on {self.record.dataset} has no embedding: "
                f"{self.record.state}, {self.record.message}"
            )
        path = self.files.embeddings
        try:
            return read(path)
        except OSError as error:
            raise ResultsError(
                f"{self.folder.name}/{path.name} can't be read: {error}",
                remedy="Make it anew: multiverse run with --rerun",
            ) from error

    def other_attempts(self) -> list[Run]:
        """Read the kept attempts at this run other than itself, oldest first.

        A run lies three folders deep, published or not; a copy may lie at the root, and has none.
        What can't be looked into, or lies behind a link, holds none for us.
        """
        folder = self.folder.absolute()
        try:
            kept = ResultsFolder(folder.parent.parent.parent).attempts_of(self.record.run_id)
        except OSError:
            return []
        others = [attempt.record for attempt in kept if attempt.folder != folder]
        return list(RecordReader().runs(others, []))

    @classmethod
    def read(cls, path: Path) -> Run:
        """Read a run by its record; :class:`ResultsError` if that is absent or damaged."""
        return cls(RunRecord.read(path), path.parent)

    @classmethod
    def read_in_place(cls, path: Path) -> Run:
        """Read a run of a results folder: :meth:`read`, and its record must be that of its folder.

        A folder that was renamed, or that says of itself that it is another one, is damaged.
        """
        run = cls.read(path)
        record = run.record
        if not record.lies_in(run.folder):
            raise ResultsError(
                f"{path}: by its record it is {record.dataset}/{record.model}/{record.run_id}, "
                f"attempt {record.attempt}",
                remedy=f"Give the folder back the name that it had. Else: {AWAY}",
            )
        return run


class FileReader(Generic[Content]):
    """Reads files of one kind again and again; one that has not changed is not read again."""

    def __init__(self, read: Callable[[Path], Content]) -> None:
        """Keep ``read``, which raises :class:`ResultsError` for a file that is damaged."""
        self._read = read
        self._known: dict[Path, tuple[tuple[int, ...], Content | ResultsError]] = {}

    def content(self, path: Path) -> Content | ResultsError:
        """Return what is in a file, or what is wrong with it. Raises OSError if there is none."""
        facts = status(path)
        if facts is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        stamp = (facts.st_mtime_ns, facts.st_size, facts.st_ino, facts.st_ctime_ns)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = (stamp, self._try(path))
        return known[1]

    def _try(self, path: Path) -> Content | ResultsError:
        try:
            return self._read(path)
        except ResultsError as error:
            return error


class RecordReader(FileReader[Run]):
    """Reads runs by their records."""

    def __init__(self) -> None:
        super().__init__(Run.read_in_place)

    def runs(self, records: Iterable[Path], damaged: list[str]) -> Iterator[Run]:
        """Read the records that are there; ``damaged`` is told of each that can't be read."""
        for path in records:
            try:
                found = self.content(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                damaged.append(f"{path}: {error.strerror}")
                continue
            if isinstance(found, ResultsError):
                if not isinstance(found.__cause__, FileNotFoundError):
                    damaged.append(first_line(found))
            else:
                yield found


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep Python from looking for cycles: records hold none, and it takes half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def first_line(error: Exception) -> str:
    """Return what is wrong, without the details that a validation adds."""
    return re.sub(r": \d+ validation errors? for \w+$", "", str(error).splitlines()[0])
