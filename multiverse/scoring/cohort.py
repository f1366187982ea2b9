"""Scores the runs of one fingerprint of a dataset: what is new, until nothing is left to try."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from multiverse.contract.evaluation import (
    EvaluationFiles,
    EvaluationRequest,
    ScoreLine,
)
from multiverse.contract.folders import is_file, make_folder
from multiverse.contract.hdf5 import opened
from multiverse.engines.log_sink import last_lines
from multiverse.engines.protocol import Ending, Orphan
from multiverse.errors import Cancelled, EvaluationFailed
from multiverse.events import Noted
from multiverse.facts import STOPPED, Cause
from multiverse.plan.job import Limits, RetryPolicy
from multiverse.runner.retry import NOT_ITS_FAULT, more_memory
from multiverse.runs.folder import AttemptFolder
from multiverse.runs.scores import EvaluationRecord
from multiverse.runs.writing import write_atomic
from multiverse.scoring.collected import Accepts, Collected, LineFollower, any_line
from multiverse.scoring.evaluator import CohortRequest, EvaluatorRun
from multiverse.scoring.unfinished import (
    StartedEvaluation,
    UnfinishedStart,
    new_evaluation,
    remove_start,
)
from multiverse.specs.quantity import format_bytes

if TYPE_CHECKING:
    from multiverse.scoring.embeddings_file import Points

#: Starts of the evaluator for one dataset: each must bring something, or be the last.
MAX_STARTS = 20
#: When memory runs out, it is started once with more.
GROWTH = RetryPolicy(retries=1)


@dataclass
class CohortRun:
    """The outcome: lines, layouts by run id, and the records of each start."""

    collected: Collected
    layouts: dict[str, Points]
    records: list[EvaluationRecord]


class CohortScoring:
    """One dataset's evaluation at work."""

    def __init__(self, asked: CohortRequest) -> None:
        self._asked = asked
        self._context = asked.context
        self._dataset = asked.cohort.dataset
        self._wanted = asked.wanted
        self._log = asked.context.results.evaluation_log(asked.cohort.dataset)
        self._limits = asked.context.limits
        self._skip: list[tuple[str, str, str]] = []
        self._collected = Collected()
        self._layouts: dict[str, Points] = {}
        self._without_layout: set[str] = set()
        self._records: list[EvaluationRecord] = []
        self._attempts: list[AttemptFolder] = []
        self._grown = 0
        self._starved: set[str] = set()

    def run(self) -> CohortRun:
        """Go on where a killed command stopped, until every score has a value or a reason.

        Raises :class:`EvaluationFailed` where the evaluator brings nothing at all,
        :class:`EngineError` where it can't be started, :class:`Cancelled` after a signal. What it
        wrote stays on disk until :meth:`remove`.
        """
        if not self._take_over():
            return self.done()
        make_folder(self._context.results.evaluations, 0o700)
        folder = new_evaluation(self._context.results, self._dataset)
        for number in range(MAX_STARTS):
            if not self._start(AttemptFolder(folder / str(number))):
                break
        else:
            self._give_up(f"the evaluator ended {MAX_STARTS} times")
        return self.done()

    def done(self) -> CohortRun:
        """Return the outcome up to now: also after :meth:`run` was left by an error."""
        return CohortRun(self._collected, self._layouts, self._records)

    def remove(self) -> None:
        """Remove what the evaluator wrote: its scores are kept, or of no use."""
        for attempt in self._attempts:
            remove_start(attempt)

    def _take_over(self) -> bool:
        """Use what killed commands left, and follow what runs; return whether more is needed."""
        now = self._begin()
        for left in self._context.unfinished.take(now, self._wanted):
            self._attempts.append(left.attempt)
            run = EvaluatorRun(self._context, left.attempt, self._log)
            follower = self._follower(run, partial(left.accepts, now=now, wanted=self._wanted))
            if left.orphan is None:
                self._use(left, run, follower)
            elif not self._adopt(left, left.orphan, run, follower):
                return False
        return self._lacks_something()

    def _use(self, left: UnfinishedStart, run: EvaluatorRun, follower: LineFollower) -> None:
        """Take in the lines of a start that has ended, up to one that is damaged."""
        self._say("what the evaluator of a killed command had computed is used")
        with suppress(EvaluationFailed):
            follower.look()
        self._collected.begun.clear()
        self._take_layouts(run.files, left.started.request, whole=not left.record.message)
        self._records.append(left.record)

    def _adopt(
        self, left: UnfinishedStart, orphan: Orphan, run: EvaluatorRun, follower: LineFollower
    ) -> bool:
        """End a start that a killed command began; return False if that is the end of all.

        What ended by no fault of its own, as when the machine was restarted, is started again.
        """
        self._say("the evaluator of a killed command is followed to its end")
        usual, before = self._limits, self._n_lines()
        self._limits = Limits.of_plain(left.started.record.limits)
        self._grown = int(self._limits.memory > usual.memory)
        self._collected.begun.clear()
        ending = run.adopt(left.started, orphan, follower)
        self._end(left.attempt, left.started, run, ending)
        goes_on = (
            ending.cause in NOT_ITS_FAULT
            or self._judge(ending, self._n_lines() > before)
            or ending.exit_code == 0  # there may be more runs by now
        )
        most = min(self._limits.memory, self._context.capacity.memory)
        self._limits = replace(usual, memory=max(usual.memory, most))
        return goes_on

    def _start(self, attempt: AttemptFolder) -> bool:
        """Start the evaluator once; return whether another start is needed."""
        self._attempts.append(attempt)
        run = EvaluatorRun(self._context, attempt, self._log)
        started, before = self._begin(), self._n_lines()
        self._collected.begun.clear()
        ending = run.start(started, self._asked.inputs(), self._limits, self._follower(run))
        self._end(attempt, started, run, ending)
        return self._judge(ending, self._n_lines() > before)

    def _begin(self) -> StartedEvaluation:
        """Ask for what is not known yet."""
        laid = {*self._layouts, *self._without_layout}
        request = self._asked.request(self._collected, laid, self._skip)
        return self._asked.started(request, self._limits)

    def _follower(self, run: EvaluatorRun, accepts: Accepts = any_line) -> LineFollower:
        scores, names = run.files.scores, self._asked.models
        return LineFollower(scores, self._collected, names, self._context.tell, accepts)

    def _end(
        self,
        attempt: AttemptFolder,
        started: StartedEvaluation,
        run: EvaluatorRun,
        ending: Ending,
    ) -> None:
        """Keep what came of a start beside its scores; :class:`Cancelled` if it was stopped."""
        record = self._record(started, ending)
        self._take_layouts(run.files, started.request, whole=not record.message)
        if ending.cause is Cause.CANCELLED:
            raise Cancelled(
                "the evaluation was stopped on request",
                remedy="Run it again: multiverse evaluate. Runs are complete without it.",
            )
        write_atomic(attempt.record, record.model_dump_json())
        self._records.append(record)

    def _say(self, words: str) -> None:
        self._context.tell(Noted(f"{self._dataset}: {words}"))

    def _n_lines(self) -> int:
        return sum(len(lines) for lines in self._collected.lines.values())

    def _judge(self, ending: Ending, progress: bool) -> bool:
        """Return whether to go on after an ending: with more memory, or without what ended it."""
        lost = self._short_of_memory()
        if ending.cause in STOPPED and self._collected.sheet is not None:
            self._give_up(f"the evaluator {_how(ending, self._limits)}")
            return False
        if ending.exit_code == 0 and not lost:
            return False
        if (lost or ending.cause is Cause.OUT_OF_MEMORY) and self._grow():
            self._collected.forget(lost)
            return True
        if ending.exit_code == 0:
            self._name_limit(lost)
            return False
        if self._collected.sheet is None:
            raise EvaluationFailed(
                f"{self._dataset}: the evaluator {_how(ending, self._limits)} before its "
                f"first score{self._last_words()}",
                remedy=self._remedy(ending),
            )
        culprits = dict(self._collected.begun)
        for member, metric in culprits.items():
            detail = f"the evaluator {_how(ending, self._limits)} while it computed this"
            self._skip.append((member, metric, detail))
        if ending.cause is Cause.OUT_OF_MEMORY:
            self._spare_others(set(culprits.values()))
        if not culprits and not progress:
            self._give_up(f"the evaluator {_how(ending, self._limits)}")
            return False
        return True

    def _short_of_memory(self) -> list[ScoreLine]:
        return [line for line in self._collected.lost() if "memory" in line.detail]

    def _name_limit(self, lost: Sequence[ScoreLine]) -> None:
        """Name the limit of memory, unknown to an evaluator that outlives its killed processes."""
        limit = format_bytes(self._limits.memory)
        for line in lost:
            if limit not in line.detail:
                self._collected.lose(line.member, line.metric, f"{line.detail} ({limit})")

    def _spare_others(self, starved: set[str]) -> None:
        """Give up metrics that ran out of memory for two members: others are of the same size."""
        detail = f"the evaluator ran out of memory ({format_bytes(self._limits.memory)}) while it"
        for member, metrics in self._lacking().items():
            for metric in starved & self._starved & set(metrics):
                self._collected.lose(member, metric, f"{detail} computed this for others")
        self._starved |= starved

    def _grow(self) -> bool:
        """Give the next start more memory; return whether there is more to be had."""
        most = self._context.capacity.memory
        more = more_memory(self._limits, GROWTH, self._grown + 1, most)
        if more is None:
            return False
        self._grown += 1
        self._say(
            f"the evaluator ran out of {format_bytes(self._limits.memory)} of memory; again with "
            f"{format_bytes(more.memory)}"
        )
        self._limits = more
        return True

    def _give_up(self, why: str) -> None:
        for member, metrics in self._lacking().items():
            self._skip += [(member, metric, why) for metric in metrics]
        for member, metric, detail in self._skip:
            self._collected.lose(member, metric, detail)

    def _lacking(self) -> dict[str, tuple[str, ...]]:
        return self._asked.lacking(self._collected)

    def _lacks_something(self) -> bool:
        laid = {*self._layouts, *self._without_layout}
        unlaid = not laid.issuperset(self._wanted.layouts)
        return self._collected.sheet is None or unlaid or bool(self._lacking())

    def _take_layouts(
        self, files: EvaluationFiles, request: EvaluationRequest, *, whole: bool
    ) -> None:
        """Read the layouts; after a ``whole`` evaluation those that are not there don't exist."""
        if is_file(files.umaps):
            try:
                with opened(files.umaps) as file:
                    for run_id in self._collected.laid & set(file):
                        self._layouts[run_id] = file[run_id][...]
            except OSError:  # it ended while it wrote: laid out again by the next start
                self._collected.laid.clear()
                return
        if whole:
            self._without_layout |= set(request.umaps) - self._layouts.keys()

    def _record(self, started: StartedEvaluation, ending: Ending) -> EvaluationRecord:
        sheet, members = self._collected.sheet, started.record.members
        if sheet is not None and started.request.controls is None:
            members = (*sheet.controls, *members)
        return started.record.model_copy(
            update={
                "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "members": members,
                "usage": ending.usage,
                "message": self._message(ending),
            }
        )

    def _message(self, ending: Ending) -> str:
        if ending.exit_code != 0 or ending.cause in STOPPED:
            return f"it {_how(ending, self._limits)}"
        if self._short_of_memory():
            limit = format_bytes(self._limits.memory)
            return f"processes of it were killed, probably because memory ran out ({limit})"
        return ""

    def _remedy(self, ending: Ending) -> str:
        if ending.cause is Cause.TIME_LIMIT:
            return f"Allow more with multiverse evaluate --time-limit. Its log: {self._log}"
        return f"Its log: {self._log}"

    def _last_words(self) -> str:
        lines = last_lines(self._log, 1)
        return ": " + lines[0][-300:] if lines else ""


def _how(ending: Ending, limits: Limits) -> str:
    if ending.cause in STOPPED:
        return f"was {ending.detail}"
    if ending.cause is Cause.OUT_OF_MEMORY:
        return f"ran out of memory ({format_bytes(limits.memory)})"
    if ending.exit_code is None or ending.cause is not None:
        return f"was ended ({ending.cause or 'unknown cause'})"
    return f"ended with exit code {ending.exit_code}"
