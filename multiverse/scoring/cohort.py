"""Scores the runs of one fingerprint of a dataset: what is new, until nothing is left to try."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from multiverse.contract.evaluation import (
    EvaluationFiles,
    EvaluationRequest,
    EvaluationSettings,
    ScoreLine,
)
from multiverse.contract.paths import LABELS_FILE
from multiverse.engines.protocol import Ending
from multiverse.errors import EvaluationFailed
from multiverse.plan.job import Limits
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runner.host import host_facts, versions
from multiverse.runs.record import Cause
from multiverse.runs.scores import EvaluationRecord
from multiverse.scoring.answers import Cohort
from multiverse.scoring.attempt import EvaluatorRun, Inputs
from multiverse.scoring.collected import Collected
from multiverse.scoring.context import ScoringContext
from multiverse.scoring.wanted import Wanted
from multiverse.specs.quantity import format_bytes

if TYPE_CHECKING:
    from multiverse.scoring.embeddings_file import Points

#: Starts of the evaluator for one dataset: each must bring something, or be the last.
MAX_STARTS = 20


@dataclass
class CohortRun:
    """What came of it: lines, layouts by run id, and the records of each start."""

    collected: Collected
    layouts: dict[str, Points]
    records: list[EvaluationRecord]


class CohortScoring:
    """One dataset's evaluation at work."""

    def __init__(
        self,
        context: ScoringContext,
        cohort: Cohort,
        dataset: RegisteredDataset,
        wanted: Wanted,
        settings: EvaluationSettings,
    ) -> None:
        self._context = context
        self._cohort = cohort
        self._dataset = dataset
        self._wanted = wanted
        self._settings = settings
        self._limits = context.limits
        self._skip: list[tuple[str, str, str]] = []
        self._collected = Collected()
        self._layouts: dict[str, Points] = {}
        self._records: list[EvaluationRecord] = []
        self._grown = False
        self._starved: set[str] = set()

    def run(self) -> CohortRun:
        """Start the evaluator until every score that is wanted has a value or a reason.

        Raises :class:`EvaluationFailed` where it brings nothing at all, :class:`EngineError`
        where it can't be started, :class:`Cancelled` after a signal.
        """
        home = self._context.results.evaluations
        home.mkdir(mode=0o700, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{self._cohort.dataset}-", dir=home))
        try:
            for number in range(MAX_STARTS):
                if not self._once(folder / str(number)):
                    break
            else:
                self._give_up(f"the evaluator ended {MAX_STARTS} times")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return self.done()

    def done(self) -> CohortRun:
        """What there is up to now: also after :meth:`run` was left by an error."""
        return CohortRun(self._collected, self._layouts, self._records)

    def _once(self, folder: Path) -> bool:
        """One start; whether another is needed."""
        folder.mkdir()
        output = folder / "output"
        output.mkdir()
        request = self._request()
        log = self._context.results.evaluation_log(self._cohort.dataset)
        run = EvaluatorRun(
            self._context.engine,
            self._context.runtime,
            self._context.results,
            output,
            log,
            self._limits,
        )
        before = self._n_lines()
        began = datetime.now(UTC).isoformat(timespec="seconds")
        self._collected.begun.clear()
        ending = run.run(
            request,
            self._inputs(),
            self._collected,
            self._context.progress,
            self._context.cancelled,
        )
        self._take_layouts(run.files)
        self._records.append(self._record(request, began, ending))
        return self._judge(ending, self._n_lines() > before)

    def _n_lines(self) -> int:
        return sum(len(lines) for lines in self._collected.lines.values())

    def _judge(self, ending: Ending, progress: bool) -> bool:
        """What to do after an ending: nothing, more memory, or on without what ended it."""
        lost = self._short_of_memory()
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
                f"{self._cohort.dataset}: the evaluator {_how(ending, self._limits)} before its "
                f"first score{self._last_words()}",
                remedy=f"Its log: {self._context.results.evaluation_log(self._cohort.dataset)}",
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
        """The evaluator goes on when one of its processes is killed, and knows no limit."""
        limit = format_bytes(self._limits.memory)
        for line in lost:
            if limit not in line.detail:
                self._collected.lose(line.member, line.metric, f"{line.detail} ({limit})")

    def _spare_others(self, starved: set[str]) -> None:
        """A metric that ran out of memory for a second member would do so for all: of one size."""
        detail = f"the evaluator ran out of memory ({format_bytes(self._limits.memory)}) while it"
        for member, metrics in self._lacking().items():
            for metric in starved & self._starved & set(metrics):
                self._collected.lose(member, metric, f"{detail} computed this for others")
        self._starved |= starved

    def _grow(self) -> bool:
        """Twice the memory, once; whether there is more to be had."""
        most = self._context.capacity.memory
        if self._grown or self._limits.memory >= most:
            return False
        self._grown = True
        wanted = min(2 * self._limits.memory, most)
        self._context.say(
            f"{self._cohort.dataset}: the evaluator ran out of {format_bytes(self._limits.memory)} "
            f"of memory; again with {format_bytes(wanted)}"
        )
        self._limits = replace(self._limits, memory=wanted)
        return True

    def _give_up(self, why: str) -> None:
        for member, metrics in self._lacking().items():
            self._skip += [(member, metric, why) for metric in metrics]
        for member, metric, detail in self._skip:
            self._collected.lose(member, metric, detail)

    def _lacking(self) -> dict[str, tuple[str, ...]]:
        sheet = self._collected.sheet
        members = [*(sheet.controls if sheet and self._wanted.controls else ()), *self._wanted.runs]
        return self._collected.lacking(members, self._wanted.only)

    def _request(self) -> EvaluationRequest:
        record = self._dataset.record
        wanted = self._wanted
        only = dict(wanted.only)
        runs = wanted.runs
        controls: tuple[str, ...] | None = None if wanted.controls else ()
        if self._collected.sheet is not None:
            only = self._lacking()
            names = set(self._collected.sheet.controls)
            runs = tuple(run for run in wanted.runs if run in only)
            controls = tuple(name for name in only if name in names)
        return EvaluationRequest(
            dataset=record.slug,
            modalities=tuple(record.modalities),
            label_key=record.label_key,
            unlabelled=record.unlabelled,
            batch_key=record.batch_key,
            runs=runs,
            models={run.record.run_id: run.record.model for run in self._cohort.runs},
            controls=controls,
            seeds=dict(wanted.siblings),
            umaps=tuple(run for run in wanted.layouts if run not in self._layouts),
            only=only,
            skip=tuple(self._skip),
            settings=self._settings,
        )

    def _inputs(self) -> Inputs:
        """The dataset, the answer sheet, and every embedding that is asked for."""
        needed = {*self._wanted.runs, *self._wanted.layouts}
        needed |= {
            other for run in self._wanted.runs for other in self._wanted.siblings.get(run, ())
        }
        more: dict[str, Path] = {
            f"embeddings/{run.record.run_id}.h5": run.files.embeddings.resolve()
            for run in self._cohort.runs
            if run.record.run_id in needed
        }
        if self._dataset.labels.is_file():
            more[LABELS_FILE] = self._dataset.labels
        return Inputs(self._dataset.data, more)

    def _take_layouts(self, files: EvaluationFiles) -> None:
        import h5py

        if not files.umaps.is_file():
            return
        try:
            with h5py.File(files.umaps, "r") as file:
                for run_id in self._collected.laid & set(file):
                    self._layouts[run_id] = file[run_id][...]
        except OSError:  # it ended while it wrote: laid out again by the next start
            self._collected.laid.clear()

    def _record(self, request: EvaluationRequest, began: str, ending: Ending) -> EvaluationRecord:
        runtime = self._context.runtime
        sheet = self._collected.sheet
        controls = sheet.controls if sheet and request.controls is None else request.controls or ()
        return EvaluationRecord(
            started_at=began,
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
            members=(*controls, *request.runs),
            engine=self._context.engine.facts(),
            image=runtime.image,
            environment_lock=runtime.environment_lock,
            limits=self._limits.plain(),
            usage=ending.usage,
            host=host_facts(),
            versions=versions(),
            message=self._message(ending),
        )

    def _message(self, ending: Ending) -> str:
        if ending.exit_code != 0:
            return f"it {_how(ending, self._limits)}"
        if self._short_of_memory():
            limit = format_bytes(self._limits.memory)
            return f"processes of it were killed, probably because memory ran out ({limit})"
        return ""

    def _last_words(self) -> str:
        path = self._context.results.evaluation_log(self._cohort.dataset)
        try:
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return ": " + lines[-1][-300:] if lines else ""


def _how(ending: Ending, limits: Limits) -> str:
    if ending.cause is Cause.OUT_OF_MEMORY:
        return f"ran out of memory ({format_bytes(limits.memory)})"
    if ending.exit_code is None or ending.cause is not None:
        return f"was ended ({ending.cause or 'unknown cause'})"
    return f"ended with exit code {ending.exit_code}"
