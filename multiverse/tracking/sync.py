"""Compares what MLflow has of each run with the run: what differs is deleted and copied again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from multiverse.errors import ResultsError
from multiverse.events import Noted, Tell
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.tracking.client import FILES, SCORES, Copy, Refused, Store, Unreachable
from multiverse.tracking.entry import Entry, entry_of
from multiverse.tracking.files import Artifact, artifacts_of, staged
from multiverse.tracking.measured import read_points
from multiverse.tracking.outcome import Done, Tally
from multiverse.tracking.scored import NO_SCORES, RunScores, scores_of

#: So many runs in a row that got no answer, and the rest is left for later.
PATIENCE = 2
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
    _known: dict[tuple[str, str], list[Copy]] = field(default_factory=dict)

    def all(self, runs: Sequence[Run], seconds: float | None, tell: Tell) -> None:
        """Copy every run; one that MLflow refuses does not keep it from the others.

        Raises :class:`Unreachable` where there is no answer, now or any more.
        """
        with suppress(Refused):  # who does not answer the first question is not asked for each run
            for run in runs[:1]:
                self.store.experiment(entry_of(run.record, self.experiment).experiment)
        began, silent = time.monotonic(), 0
        for number, run in enumerate(runs, 1):
            if seconds is not None and time.monotonic() - began > seconds:
                self.tally.lost(runs, f"left for later: {seconds:g} seconds had passed")
                break
            try:
                done = self.one(run)
                self.tally.add(run, done)
                silent = 0
                if done is not Done.PRESENT:
                    tell(Noted(f"{done} {run.record.name} ({number} of {len(runs)})"))
            except Refused as error:
                self.tally.lost([run], str(error))
                silent = 0
            except Unreachable as error:
                self.tally.lost([run], str(error))
                silent += 1
                if silent == PATIENCE:
                    raise

    def one(self, run: Run) -> Done:
        """Copy one run, unless MLflow has it as it is."""
        entry = entry_of(run.record, self.experiment)
        experiment = self.store.experiment(entry.experiment)
        place = (experiment, entry.fingerprint)  # one question a dataset
        if place not in self._known:
            self._known[place] = self.store.copies(*place)
        copy = self._only([found for found in self._known[place] if found.key == entry.key])
        scores = self._scores(run)
        if copy is not None and copy.complete and not self._differs(run, copy, scores):
            return Done.PRESENT
        if copy is not None:  # neither a metric nor a file can be taken back from it
            self.store.delete(copy)
        self._make(run, entry, experiment, scores or NO_SCORES)
        return Done.UPDATED if copy is not None and copy.complete else Done.COPIED

    def _scores(self, run: Run) -> RunScores | None:
        try:
            return scores_of(self.results, run.record)
        except ResultsError as error:
            if str(error) not in self.tally.notes:
                self.tally.notes.append(str(error))
            return None

    def _differs(self, run: Run, copy: Copy, scores: RunScores | None) -> bool:
        """Return whether there are other scores, or files that the copy lacks and could have.

        Scores that can't be read change nothing.
        """
        if scores is None:
            return False
        there = copy.tags.get(FILES, "").split()
        missing = [file for file in self._artifacts(run) if file.name not in there]
        return copy.tags.get(SCORES, "") != scores.digest or any(file.sound for file in missing)

    def _artifacts(self, run: Run) -> Sequence[Artifact]:
        return artifacts_of(run, self.embeddings_limit)

    def _only(self, copies: Sequence[Copy]) -> Copy | None:
        """Return the best copy; delete others, which come from a request that was sent twice."""
        ranked = sorted(copies, key=lambda copy: not copy.complete)
        for copy in ranked[1:]:
            self.store.delete(copy)
        return ranked[0] if ranked else None

    def _make(self, run: Run, entry: Entry, experiment: str, scores: RunScores) -> None:
        copy = self.store.create(experiment, entry)
        points = [*read_points(run.files), *entry.resources, *scores.points]
        self.store.fill(copy, entry, points, scores.tags)
        sent, left = [], []
        for artifact in self._artifacts(run):
            try:
                with staged(artifact) as path:
                    self.store.upload(copy, path)
                sent.append(artifact.name)
            except OSError as error:
                left.append(f"{artifact.name}: {error.strerror or error}")
        facts = {FILES: " ".join(sent), SCORES: scores.digest, LEFT_OUT: "\n".join(left)}
        self.store.finish(copy, entry, {name: text for name, text in facts.items() if text})
        self.tally.notes += [f"{run.record.name}: left out {line}" for line in left]
        self._only(self.store.copies_of(experiment, entry.key))
