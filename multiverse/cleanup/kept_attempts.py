"""Attempts that ended without a published run: failed, cancelled, or left by a killed runner."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial

from multiverse.cleanup.holders import LeftJobs, held, run_locks
from multiverse.cleanup.removable import (
    CleanupGroup,
    Entry,
    Item,
    Kept,
    NotRemoved,
    occupied,
    remove_folder,
)
from multiverse.contract.folders import exists
from multiverse.errors import ResultsError
from multiverse.facts import Cause, RunState
from multiverse.runs.folder import AttemptFolder, ResultsFolder, is_run_id
from multiverse.runs.places import attempt_folders, opened_folder, read_record
from multiverse.runs.record import RunRecord
from multiverse.runs.started import Started


@dataclass(frozen=True)
class KeptAttempts:
    """The attempts of a results folder; only those of ``runs`` where any are named.

    ``also_spared``: those too that keep a model from being tried again where it does not apply.
    """

    results: ResultsFolder
    runs: Collection[str] = ()
    also_spared: bool = False

    def find(self) -> Iterator[Entry]:
        """Yield every attempt, whether it can go or not."""
        locks, jobs = run_locks(self.results), LeftJobs(self.results)
        for run_id, number in self._numbers():
            name = "/".join(self._names(run_id, number))
            holder = locks.get(run_id)
            if holder is not None:
                yield Kept(CleanupGroup.ATTEMPTS, name, f"{holder} is working on it")
                continue
            goes, why = self._judge(run_id, number, jobs)
            if not goes:
                yield Kept(CleanupGroup.ATTEMPTS, name, why)
                continue
            size = occupied(self.results.folder / name)
            yield Item(
                CleanupGroup.ATTEMPTS, name, why, size, partial(self._remove, run_id, number)
            )

    def _numbers(self) -> Iterator[tuple[str, str]]:
        for attempt in attempt_folders(self.results):
            run_id = attempt.folder.parent.name
            if is_run_id(run_id) and (not self.runs or run_id in self.runs):
                yield run_id, attempt.folder.name

    def _names(self, run_id: str, number: str) -> tuple[str, ...]:
        return (self.results.attempts.name, run_id, number)

    def _judge(self, run_id: str, number: str, jobs: LeftJobs) -> tuple[bool, str]:
        """Return whether an attempt can go, and the reason."""
        try:
            with opened_folder(self.results.folder, self._names(run_id, number)) as folder:
                return self._judge_record(read_record(folder))
        except FileNotFoundError:
            return self._judge_interrupted(run_id, number, jobs)
        except ResultsError as error:
            return True, f"its record can't be read: {error}"
        except OSError as error:
            return False, f"it can't be read: {error.strerror}"

    def _judge_record(self, record: RunRecord) -> tuple[bool, str]:
        if record.state is RunState.NOT_APPLICABLE and not self.also_spared:
            return False, "not applicable: its record spares a re-run (--all-attempts)"
        if record.cause is Cause.NOT_CHECKED and not self.also_spared:
            return False, "its output is still to be checked by the next run (--all-attempts)"
        if record.state is RunState.COMPLETE:
            return False, "complete, and not where it belongs: look at it"
        cause = f": {record.cause.value}" if record.cause else ""
        return True, f"{record.state.value}{cause}".replace("_", " ")

    def _judge_interrupted(self, run_id: str, number: str, jobs: LeftJobs) -> tuple[bool, str]:
        attempt = AttemptFolder(self.results.folder.joinpath(*self._names(run_id, number)))
        if exists(attempt.replaced):
            return False, "it holds the run that it replaces; the next `multiverse run` settles it"
        if not exists(attempt.started):
            return True, "interrupted before anything was started"
        kept = jobs.reason_to_keep(run_id, number, _engine(attempt))
        return (True, "interrupted: its runner was killed") if kept is None else (False, kept)

    def _remove(self, run_id: str, number: str) -> None:
        with held(self.results, run_id):
            goes, why = self._judge(run_id, number, LeftJobs(self.results))
            if not goes:
                raise NotRemoved(why)
            names = self._names(run_id, number)
            remove_folder(self.results.folder, names, names[:1])
            remove_empty_run(self.results, run_id)


def remove_empty_run(results: ResultsFolder, run_id: str) -> None:
    """Remove the folder of a run's attempts if it holds none. Its lock must be held."""
    with opened_folder(results.folder, [results.attempts.name]) as parent:
        try:
            os.rmdir(run_id, dir_fd=parent)
        except OSError:  # other attempts are in it
            return


def _engine(attempt: AttemptFolder) -> str | None:
    """Return the engine that an attempt was started on; None where that can't be told."""
    try:
        return Started.of(attempt).record.engine.name
    except ResultsError:
        return None
