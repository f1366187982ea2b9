"""Evaluations whose command was killed: what runs is taken over, what was computed is used."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from multiverse.contract.evaluation import (
    BeginLine,
    EvaluationRequest,
    MemberLine,
    ScoreLine,
    SheetLine,
)
from multiverse.contract.folders import exists, folders_in, remove_empty_folder, remove_tree
from multiverse.contract.scores import Reason
from multiverse.engines.protocol import Engine, Orphan
from multiverse.errors import EngineError, ResultsError
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.scores import EvaluationRecord, Evaluator
from multiverse.runs.started import Beginning
from multiverse.scoring.collected import AnyLine
from multiverse.scoring.wanted import SEED_STABILITY, Wanted

#: The folder of one evaluation: its dataset, and what makes it its own.
_EVALUATION = re.compile(r"[a-z0-9_.-]{1,64}-[a-z0-9_]{8,16}")


def new_evaluation(results: ResultsFolder, dataset: str) -> Path:
    """Return a folder for one evaluation of a dataset, which is not made yet."""
    return results.evaluations / f"{dataset}-{secrets.token_hex(8)}"


class StartedEvaluation(Beginning):
    """One start of the evaluator: what it was asked, and of which files.

    ``checksums``: run id → the embedding that it was given. ``again``: whether everything was to
    be computed anew, whatever scores there were.
    """

    request: EvaluationRequest
    record: EvaluationRecord
    dataset_fingerprint: str
    labels_fingerprint: str | None
    evaluator: Evaluator
    checksums: dict[str, str]
    again: bool = False

    def is_like(self, other: StartedEvaluation) -> bool:
        """Return whether both would give an embedding the same scores.

        That is: the same evaluator, to the image, with the same settings, of the same data with
        the same held-out labels. Which embeddings they were asked for may differ.
        """
        return self._question() == other._question()

    def _question(self) -> tuple[object, ...]:
        members = {"runs", "models", "controls", "seeds", "umaps", "only", "skip"}
        runtime = self.record.image.digest if self.record.image else self.record.environment_lock
        return (
            self.request.model_dump(exclude=members),
            self.dataset_fingerprint,
            self.labels_fingerprint,
            self.evaluator,
            runtime,
        )


def owner_labels(results: ResultsFolder, attempt: AttemptFolder | None = None) -> dict[str, str]:
    """Return what marks the evaluations of one results folder, or one start of the evaluator.

    The runner's own jobs don't carry it.
    """
    labels = {"multiverse.evaluation": str(results.folder.resolve())}
    return labels if attempt is None else {**labels, "multiverse.run": _name(attempt)}


def _name(attempt: AttemptFolder) -> str:
    return f"{attempt.folder.parent.name}-{attempt.folder.name}"


@dataclass(frozen=True)
class UnfinishedStart:
    """A start of the evaluator whose scores were not kept.

    ``orphan``: its container, which still runs or ended unseen; None where only its lines are left.
    """

    attempt: AttemptFolder
    started: StartedEvaluation
    orphan: Orphan | None

    def gives(self, now: StartedEvaluation, wanted: Wanted) -> bool:
        """Return whether anything that it was asked for is wanted ``now``, of the same files."""
        if not self.started.is_like(now) or (now.again and not self.started.again):
            return False
        request = self.started.request
        asked = {*request.runs, *request.umaps} & {*wanted.runs, *wanted.layouts}
        controls = wanted.controls and request.controls != ()
        return controls or any(self._is_same(name, now.checksums) for name in asked)

    def accepts(self, line: AnyLine, now: StartedEvaluation, wanted: Wanted) -> bool:
        """Return whether a line is wanted ``now`` and of the embedding that is there now.

        What it could not compute, because something ended it, is tried again where it has ended.
        """
        if isinstance(line, SheetLine):
            return True
        member = line.member
        if member not in self.started.checksums:
            is_wanted = wanted.controls
        elif not self._is_same(member, now.checksums):
            is_wanted = False
        elif isinstance(line, BeginLine | ScoreLine):
            is_wanted = self._is_metric_wanted(member, line.metric, now, wanted)
        elif isinstance(line, MemberLine):
            is_wanted = member in wanted.runs
        else:
            is_wanted = member in wanted.layouts
        lost = isinstance(line, ScoreLine) and line.reason is Reason.EVALUATOR_FAILED
        return is_wanted and not (lost and self.orphan is None)

    def _is_metric_wanted(
        self, member: str, metric: str, now: StartedEvaluation, wanted: Wanted
    ) -> bool:
        if member not in wanted.runs or metric not in wanted.only.get(member, (metric,)):
            return False
        siblings = wanted.siblings.get(member, ())
        return metric != SEED_STABILITY or (
            self.started.request.seeds.get(member, ()) == siblings
            and all(self._is_same(sibling, now.checksums) for sibling in siblings)
        )

    def _is_same(self, run_id: str, checksums: Mapping[str, str]) -> bool:
        checksum = self.started.checksums.get(run_id)
        return bool(checksum) and checksum == checksums.get(run_id)

    @property
    def record(self) -> EvaluationRecord:
        """Its record; of one that was killed with its command, as it began."""
        with suppress(OSError, ValueError):
            return EvaluationRecord.read(self.attempt.record)
        message = "it was killed together with its command"
        return self.started.record.model_copy(update={"message": message})


class Unfinished:
    """Every start of the evaluator that a killed command left in a results folder.

    Whoever makes it is alone with the folder's evaluations. Containers that belong to no start
    are removed at once.
    """

    def __init__(self, engine: Engine, results: ResultsFolder) -> None:
        self._engine = engine
        self._results = results
        orphans = {orphan.run_id: orphan for orphan in engine.orphans(owner_labels(results))}
        self._starts = [
            UnfinishedStart(attempt, started, _adoptable(attempt, orphans))
            for attempt, started in _read(results)
        ]
        followed = {_name(start.attempt) for start in self._starts if start.orphan is not None}
        others = [orphans[run_id].labels for run_id in orphans.keys() - followed]
        for labels in others if followed else [owner_labels(results)]:
            engine.sweep(labels)

    def take(self, now: StartedEvaluation, wanted: Wanted) -> list[UnfinishedStart]:
        """Return what goes on where a killed command stopped, oldest first.

        The caller removes the folders when the scores are kept. What else there is of these data
        is of no use any more and is removed.
        """
        same = [start for start in self._starts if _is_of_same_data(start.started, now)]
        self._starts = [start for start in self._starts if start not in same]
        taken = [start for start in same if start.gives(now, wanted)]
        for start in same:
            if start not in taken:
                self._stop(start)
                remove_start(start.attempt)
        return taken

    def stop(self) -> None:
        """Stop what nobody has taken; its lines stay."""
        for start in self._starts:
            with suppress(EngineError):
                self._stop(start)

    def remove(self, datasets: Collection[str]) -> None:
        """Remove what nobody has taken; of ``datasets`` only, if any are named."""
        for start in self._starts:
            if not datasets or start.started.request.dataset in datasets:
                remove_start(start.attempt)

    def _stop(self, start: UnfinishedStart) -> None:
        if start.orphan is not None:
            self._engine.sweep(start.orphan.labels)


def remove_start(attempt: AttemptFolder) -> None:
    """Remove what one start of the evaluator has left on disk."""
    with suppress(OSError):
        remove_tree(attempt.folder)
    with suppress(OSError):  # another start of the same evaluation is still there
        remove_empty_folder(attempt.folder.parent)


def _read(results: ResultsFolder) -> list[tuple[AttemptFolder, StartedEvaluation]]:
    """Return everything that has begun, oldest first; remove what can't be read."""
    found = []
    for attempt in _starts(results.evaluations):
        try:
            found.append((attempt, StartedEvaluation.read(attempt.started)))
        except ResultsError:
            remove_start(attempt)
    return sorted(found, key=lambda item: (item[1].record.started_at, item[0].folder.name))


def _starts(evaluations: Path) -> Iterator[AttemptFolder]:
    """Yield the folders of starts, by the form of their names; no link is followed."""
    for name in filter(_EVALUATION.fullmatch, folders_in(evaluations)):
        for number in filter(str.isdigit, folders_in(evaluations / name)):
            yield AttemptFolder(evaluations / name / number)


def _adoptable(attempt: AttemptFolder, orphans: Mapping[str, Orphan]) -> Orphan | None:
    """Return the container of a start without a record, if the engine can tell how it ends."""
    orphan = orphans.get(_name(attempt))
    if orphan is None or not orphan.adoptable or exists(attempt.record):
        return None
    return orphan


def _is_of_same_data(one: StartedEvaluation, other: StartedEvaluation) -> bool:
    return (one.request.dataset, one.dataset_fingerprint) == (
        other.request.dataset,
        other.dataset_fingerprint,
    )
