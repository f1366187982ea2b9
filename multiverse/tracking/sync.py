"""Compares what MLflow has of each run with the run, and completes it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.tracking.client import FILES, SCORES, Copy, Refused, Store, Unreachable
from multiverse.tracking.entry import Entry, entry_of
from multiverse.tracking.files import artifacts_of, staged
from multiverse.tracking.measured import MetricPoint, read_points
from multiverse.tracking.outcome import Done, Say, Tally
from multiverse.tracking.scored import PREFIX, RunScores, ScoreBook, is_of_scores

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

    def all(self, runs: Sequence[Run], seconds: float | None, say: Say) -> None:
        """Every run; one that MLflow refuses does not keep it from the others.

        Raises :class:`Unreachable` where there is no answer, now or any more.
        """
        scores = ScoreBook(self.results)
        self._knock(runs)
        began, silent = time.monotonic(), 0
        for number, run in enumerate(runs, 1):
            if seconds is not None and time.monotonic() - began > seconds:
                self.tally.lost(runs, f"left for later: {seconds:g} seconds had passed")
                break
            try:
                done = self.one(run, scores.of(run.record))
                self.tally.add(run, done)
                silent = 0
                if done is not Done.PRESENT:
                    say(f"{done} {run.record.name} ({number} of {len(runs)})")
            except Refused as error:
                self.tally.lost([run], str(error))
                silent = 0
            except Unreachable as error:
                self.tally.lost([run], str(error))
                silent += 1
                if silent == PATIENCE:
                    raise
        self.tally.notes += scores.notes

    def _knock(self, runs: Sequence[Run]) -> None:
        """Whoever does not answer the first question is not asked for each run."""
        with suppress(Refused):
            for run in runs[:1]:
                self.store.experiment(entry_of(run.record, self.experiment).experiment)

    def one(self, run: Run, scores: RunScores | None) -> Done:
        """Do what is needed for one run."""
        entry = entry_of(run.record, self.experiment)
        experiment = self.store.experiment(entry.experiment)
        copy = self._only(self._copies(experiment, entry))
        if copy is None:
            self._make(run, entry, experiment, scores)
            return Done.COPIED
        if scores is not None and _has_more(copy, scores):
            self.store.delete(copy)  # a metric can't be taken back from a run
            self._make(run, entry, experiment, scores)
            return Done.UPDATED if copy.complete else Done.COPIED
        if not copy.complete:
            self._complete(run, entry, experiment, copy, scores)
            return Done.COPIED
        return self._update(run, copy, scores)

    def _copies(self, experiment: str, entry: Entry) -> list[Copy]:
        """The copies of one run, from one question a dataset."""
        place = (experiment, entry.fingerprint)
        if place not in self._known:
            self._known[place] = self.store.copies(*place)
        return [copy for copy in self._known[place] if copy.key == entry.key]

    def _only(self, copies: Sequence[Copy]) -> Copy | None:
        """The best copy. Another one is what a request made that was sent twice: it goes."""
        ranked = sorted(copies, key=lambda copy: not copy.complete)
        for copy in ranked[1:]:
            self.store.delete(copy)
        return ranked[0] if ranked else None

    def _make(self, run: Run, entry: Entry, experiment: str, scores: RunScores | None) -> None:
        self._write(run, entry, self.store.create(experiment, entry), scores)
        self._only(self.store.copies_of(experiment, entry.key))

    def _complete(
        self,
        run: Run,
        entry: Entry,
        experiment: str,
        copy: Copy,
        scores: RunScores | None,
    ) -> None:
        """End what was cut off; if MLflow will not have it (a parameter differs), begin anew."""
        try:
            self._write(run, entry, copy, scores)
        except Refused:
            self.store.delete(copy)
            self._make(run, entry, experiment, scores)

    def _write(self, run: Run, entry: Entry, copy: Copy, scores: RunScores | None) -> None:
        self.store.fill(copy, entry, read_points(run.files))
        self._send(run, copy, frozenset())
        if scores is not None:
            self._score(copy, scores)
        self.store.finish(copy, entry)

    def _update(self, run: Run, copy: Copy, scores: RunScores | None) -> Done:
        done = Done.PRESENT
        if self._send(run, copy, frozenset(copy.tags.get(FILES, "").split())):
            done = Done.UPDATED
        if scores is not None and copy.tags.get(SCORES, "") != scores.digest:
            self._score(copy, scores)
            done = Done.UPDATED
        return done

    def _send(self, run: Run, copy: Copy, there: frozenset[str]) -> bool:
        """Send the files that are not there; whether there were any."""
        sent, left = set(there), []
        for artifact in artifacts_of(run, self.embeddings_limit):
            if artifact.name in there:
                continue
            try:
                with staged(artifact) as path:
                    self.store.upload(copy, path)
                sent.add(artifact.name)
            except OSError as error:
                left.append(f"{artifact.name}: {error.strerror or error}")
        self._leave_out(run, copy, left)
        if sent != there:
            self.store.set_tags(copy, {FILES: " ".join(sorted(sent))})
        return sent != there

    def _leave_out(self, run: Run, copy: Copy, left: Sequence[str]) -> None:
        """Say what a copy lacks: in a tag for its readers, and once as a note."""
        text = "\n".join(left)
        if text == copy.tags.get(LEFT_OUT, ""):
            return
        if not left:
            self.store.drop_tags(copy, [LEFT_OUT])
            return
        self.store.set_tags(copy, {LEFT_OUT: text})
        self.tally.notes += [f"{run.record.name}: left out {line}" for line in left]

    def _score(self, copy: Copy, scores: RunScores) -> None:
        """The digest comes last: without it the scores are sent again."""
        points = [MetricPoint(name, value) for name, value in scores.values.items()]
        self.store.log_points(copy, points, round(time.time() * 1000))
        gone = [name for name in copy.tags if is_of_scores(name) and name not in scores.tags]
        if SCORES in copy.tags and not scores.digest:
            gone.append(SCORES)
        self.store.drop_tags(copy, gone)
        self.store.set_tags(copy, scores.tags)
        if scores.digest:
            self.store.set_tags(copy, {SCORES: scores.digest})


def _has_more(copy: Copy, scores: RunScores) -> bool:
    """Whether the copy has a score that has become unavailable, or that the folder lacks now."""
    return any(name.startswith(PREFIX) and name not in scores.values for name in copy.metrics)
