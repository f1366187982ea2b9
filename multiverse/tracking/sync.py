"""Compares what MLflow has of each run with the run: what differs is deleted and copied again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from multiverse.contract.folders import temporary_root
from multiverse.errors import ResultsError
from multiverse.events import Noted, Tell
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.tracking.entry import FINGERPRINT, Entry, entry_of, read_points
from multiverse.tracking.files import artifacts_of, is_sound, stage
from multiverse.tracking.outcome import Done, Tally
from multiverse.tracking.store import Copy, Failure, Store, Unreachable, is_complete, told

#: So many runs in a row that got no answer, and the rest is left for later.
PATIENCE = 2
#: A hash of everything that was copied but the curves and files, which never change.
DIGEST = "multiverse.digest"
#: A line for each file that was not copied: its name and the reason.
LEFT_OUT = "multiverse.left_out"


@dataclass
class Sync:
    """Copies runs to a store; the outcome of each is in the tally.

    ``experiment``: instead of the recorded ones. ``embeddings_limit`` in bytes.
    """

    store: Store
    results: Results
    tally: Tally
    experiment: str | None
    embeddings_limit: int
    _experiments: dict[str, str] = field(default_factory=dict)
    _copies: dict[tuple[str, str], list[Copy]] = field(default_factory=dict)

    def all(self, runs: Sequence[Run], seconds: float | None, tell: Tell) -> None:
        """Copy every run; one that MLflow refuses does not keep it from the others."""
        began, silent = time.monotonic(), 0
        for number, run in enumerate(runs):
            if seconds is not None and time.monotonic() - began > seconds:
                self.tally.lost(runs[number:], f"left for later: {seconds:g} seconds had passed")
                return
            try:
                with told(self.store.uri):
                    done = self.one(run)
            except Failure as error:
                silent = silent + 1 if isinstance(error, Unreachable) else 0
                never_answered = silent and not self._experiments
                if silent == PATIENCE or never_answered:
                    self.tally.lost(runs[number:], str(error))
                    return
                self.tally.lost([run], str(error))
                continue
            silent = 0
            self.tally.done[done] += 1
            if done is not Done.PRESENT:
                tell(Noted(f"{done} {run.record.name} ({number + 1} of {len(runs)})"))

    def one(self, run: Run) -> Done:
        """Copy one run, unless MLflow has it as it is."""
        entry, readable = self._entry(run)
        if entry.experiment not in self._experiments:
            self._experiments[entry.experiment] = self.store.experiment(entry.experiment)
        place = (self._experiments[entry.experiment], run.record.dataset_fingerprint)
        if place not in self._copies:  # one question a dataset
            self._copies[place] = self.store.copies(place[0], FINGERPRINT, place[1])
        copies = [copy for copy in self._copies[place] if entry.is_of(copy.data.tags)]
        complete = [copy for copy in copies if is_complete(copy)]
        same = [copy for copy in complete if not readable or self._is_same(copy, run, entry)]
        for copy in copies:  # neither a metric nor a file can be taken back from it
            if copy not in same[:1]:
                self.store.delete(copy)
        if same:
            return Done.PRESENT
        self._make(run, entry, place[0])
        return Done.UPDATED if complete else Done.COPIED

    def _entry(self, run: Run) -> tuple[Entry, bool]:
        """Return the entry, and False where its scores can't be read: they change nothing."""
        evaluation, readable = None, True
        try:
            file = self.results.scores_file(run.record.dataset)
            evaluation = file.of(run.record.dataset_fingerprint)
        except ResultsError as error:
            readable = False
            if str(error) not in self.tally.notes:
                self.tally.notes.append(str(error))
        return entry_of(run.record, self.experiment, evaluation), readable

    def _is_same(self, copy: Copy, run: Run, entry: Entry) -> bool:
        """Return False for other content, or where a file can be copied that was left out."""
        tags = copy.data.tags
        left_out = {line.split(": ")[0] for line in tags.get(LEFT_OUT, "").splitlines()}
        artifacts = artifacts_of(run, self.embeddings_limit) if left_out else []
        waiting = [artifact for artifact in artifacts if artifact.path.name in left_out]
        return tags.get(DIGEST) == entry.digest and not any(map(is_sound, waiting))

    def _make(self, run: Run, entry: Entry, experiment: str) -> None:
        with TemporaryDirectory(prefix="multiverse-track-", dir=temporary_root()) as folder:
            files = Path(folder, "files")  # a local store copies its mode: not that of ``folder``
            files.mkdir()
            left_out = stage(artifacts_of(run, self.embeddings_limit), files)
            lines = [f"{name}: {reason}" for name, reason in left_out.items()]
            tags = {DIGEST: entry.digest} | ({LEFT_OUT: "\n".join(lines)} if lines else {})
            points = [*read_points(run.files), *entry.points]
            self.store.make(experiment, entry, points, files, tags)
        self.tally.notes += [f"{run.record.name}: left out {line}" for line in lines]
