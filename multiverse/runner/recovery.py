"""Recovers from a killed runner: its jobs are ended in its place, taken over, or removed."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from multiverse.contract.files import is_aside, read_regular
from multiverse.contract.folders import (
    exists,
    is_file,
    is_folder,
    make_folder,
    move,
    names_in,
    remove_file,
)
from multiverse.contract.hdf5 import opened
from multiverse.contract.paths import RECORD_FILE
from multiverse.engines.protocol import Engine, Orphan
from multiverse.errors import DiskFull, MultiverseError, ResultsError
from multiverse.events import Noted, Tell
from multiverse.facts import RunState
from multiverse.runner.attempt import Attempts
from multiverse.runner.prepared import owner_labels
from multiverse.runs.folder import AttemptFolder, ResultsFolder, is_run_id
from multiverse.runs.lock import RunLocks, folder_lock
from multiverse.runs.places import attempt_folders
from multiverse.runs.publish import discard, remove_empty
from multiverse.runs.record import RunRecord
from multiverse.runs.run import Run, first_line
from multiverse.runs.started import Started
from multiverse.specs.dataset import RECORD_MAX_BYTES, DatasetRecord


@dataclass(frozen=True)
class Survivor:
    """A job that still runs although its runner was killed. Its run's lock is ours now."""

    attempt: AttemptFolder
    started: Started
    orphan: Orphan


class Recovery:
    """Puts a results folder in order, without touching what a living runner works on."""

    def __init__(
        self,
        engine: Engine,
        attempts: Attempts,
        results: ResultsFolder,
        locks: RunLocks,
        cancelled: threading.Event,
        tell: Tell,
    ) -> None:
        self._engine = engine
        self._attempts = attempts
        self._results = results
        self._locks = locks
        self._cancelled = cancelled
        self._tell = tell

    def recover(self, wanted: Collection[str]) -> dict[str, Survivor]:
        """End what ended meanwhile, remove what nobody wants; return what runs and is ``wanted``.

        ``wanted`` are run ids of the plan. The locks of the survivors stay with us.
        """
        with folder_lock(self._results):
            _remove_temporary(self._results)
        survivors: dict[str, Survivor] = {}
        orphans = self._orphans(owner_labels(self._results))
        for run_id in self._interrupted() | set(orphans):
            if self._cancelled.is_set():
                break
            if not self._locks.acquire(run_id):
                continue
            # Again, now that nobody else works on it: it may have been started since.
            found = self._orphans(owner_labels(self._results, run_id))
            survivor = self._settle(run_id, found.get(run_id, {}), run_id in wanted)
            if survivor is not None:
                survivors[run_id] = survivor
            else:
                # While the run is ours: another runner may begin an attempt there the moment after.
                remove_empty([self._results.attempts / run_id])
                self._locks.release(run_id)
        return survivors

    def survivor(self, run_id: str) -> Survivor | None:
        """Put one run in order, whose lock has just become ours: its runner may have died since.

        Returns what still runs of it. Costs nothing for a run that nobody has begun.
        """
        if all(attempt.is_settled for attempt in self._results.attempts_of(run_id)):
            return None
        found = self._orphans(owner_labels(self._results, run_id))
        return self._settle(run_id, found.get(run_id, {}), wanted=True)

    def _interrupted(self) -> set[str]:
        """Return runs with an attempt that began and did not end, or with a lock that was left."""
        names = names_in(self._results.attempts)
        digits = {name.partition(".")[0] for name in names}
        locks = {run_id for run_id in digits if self._results.run_lock(run_id).name in names}
        return set(filter(is_run_id, locks)) | {
            attempt.folder.parent.name
            for attempt in attempt_folders(self._results)
            if not attempt.is_settled
        }

    def _orphans(self, labels: Mapping[str, str]) -> dict[str, dict[int, Orphan]]:
        """Return the engine's jobs with these labels: run id → number of the attempt → orphan."""
        found: dict[str, dict[int, Orphan]] = {}
        for orphan in self._engine.orphans(labels):
            if orphan.attempt.isdigit() and is_run_id(orphan.run_id):
                found.setdefault(orphan.run_id, {})[int(orphan.attempt)] = orphan
        return found

    def _settle(self, run_id: str, orphans: dict[int, Orphan], wanted: bool) -> Survivor | None:
        """Put one run in order. Its lock is ours; the survivor, if it still runs."""
        survivor: Survivor | None = None
        for attempt in self._unended(run_id):
            orphan = orphans.get(attempt.number)
            survivor = self._settle_attempt(attempt, orphan, wanted) or survivor
        if survivor is None:
            self._engine.sweep(owner_labels(self._results, run_id))
            return None
        for number, orphan in orphans.items():
            if number != survivor.attempt.number:
                self._engine.sweep(orphan.labels)
        return survivor

    def _unended(self, run_id: str) -> Iterator[AttemptFolder]:
        for attempt in self._results.attempts_of(run_id):
            _remove_aside(attempt)
            if attempt.is_settled:
                remove_file(attempt.started)
                remove_file(attempt.live)
            elif is_file(attempt.started):
                yield attempt
            else:  # killed before it had said what it would do
                discard(attempt)

    def _settle_attempt(
        self, attempt: AttemptFolder, orphan: Orphan | None, wanted: bool
    ) -> Survivor | None:
        try:
            started = Started.of(attempt)
            record = started.record
            target = self._results.run(record.dataset, record.model, record.run_id)
            if is_file(target.record) and _is_same(RunRecord.read(target.record), record):
                discard(attempt)  # killed between publication and tidying up
                return None
            if not exists(target.folder) and is_folder(attempt.replaced):
                make_folder(target.folder.parent)
                move(attempt.replaced, target.folder)
            if is_file(attempt.ended):
                if not _has_its_data(started):
                    raise ResultsError(f"its dataset {record.dataset} is not where it was")
                self._tell_end(self._attempts.judge_again(attempt, started), "stopped")
                return None
            if orphan is not None and orphan.adoptable and _has_its_data(started):
                if orphan.running and wanted:
                    return Survivor(attempt, started, orphan)
                if not orphan.running:
                    self._finish(attempt, started, orphan)
                    return None
            self._give_up(attempt, started, orphan)
        except DiskFull:
            raise
        except (MultiverseError, OSError) as error:
            self._tell(Noted(f"{attempt.folder}: left as it is: {first_line(error)}"))
        return None

    def _finish(self, attempt: AttemptFolder, started: Started, orphan: Orphan) -> None:
        """Judge and publish a job that ended while nobody watched, whether planned or not."""
        self._tell_end(self._attempts.adopt(attempt, started, orphan))

    def _give_up(self, attempt: AttemptFolder, started: Started, orphan: Orphan | None) -> None:
        if orphan is not None and orphan.running:
            reason = "its runner was killed, and it was stopped"
            self._engine.sweep(orphan.labels)
        else:
            reason = "its runner was killed"
        self._tell_end(self._attempts.give_up(attempt, started, reason))

    def _tell_end(self, run: Run, how: str = "killed") -> None:
        record = run.record
        word = "complete" if record.state is RunState.COMPLETE else record.message
        job = f"{record.name} ({record.run_id})"
        self._tell(Noted(f"left by a runner that was {how}: {job}: {word}"))


def _has_its_data(started: Started) -> bool:
    """Return whether the file that an attempt reads is that of its dataset, and still there.

    Whoever may write in the results folder can name any file in its place, and make one that
    points to another.
    """
    try:
        path = started.data.with_name(RECORD_FILE)
        text = read_regular(path, max_bytes=RECORD_MAX_BYTES)
        fingerprint = DatasetRecord.model_validate_json(text).fingerprint
        if fingerprint != started.record.dataset_fingerprint:
            return False
        with opened(started.data):
            return True
    except (OSError, ValueError):
        return False


def _remove_temporary(results: ResultsFolder) -> None:
    """Remove files that a killed process wrote aside; a living one holds the folder's lock."""
    mine = [written.name for written in results.rewritten]
    for name in names_in(results.folder):
        if any(is_aside(name, of) for of in mine):
            with suppress(IsADirectoryError):
                remove_file(results.folder / name)


def _remove_aside(attempt: AttemptFolder) -> None:
    """Remove files of an attempt that its killed runner wrote aside; its run is ours now."""
    mine = {
        attempt.folder: (attempt.record, attempt.started, attempt.live),
        attempt.output.folder: (attempt.output.job_spec,),
    }
    for folder, written in mine.items():
        with suppress(OSError):  # a model may name a folder like that, or lock its own away
            for name in names_in(folder):
                if any(is_aside(name, path.name) for path in written):
                    remove_file(folder / name)


def _is_same(published: RunRecord, begun: RunRecord) -> bool:
    """Return whether a run was published by this attempt; one run again begins at 1 again."""
    return (published.attempt, published.started_at) == (begun.attempt, begun.started_at)
