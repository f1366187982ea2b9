"""From what the evaluator said to one evaluation of ``scores.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from multiverse.contract.evaluation import ScoreLine
from multiverse.contract.scores import MetricFacts, Reason, Score
from multiverse.engines.protocol import Runtime
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.listing import FoundRun
from multiverse.runs.scores import (
    Evaluation,
    EvaluationRecord,
    Evaluator,
    Member,
    MemberKind,
    Sheet,
)
from multiverse.scoring.aggregate import aggregates, score_of
from multiverse.scoring.answers import label_notes
from multiverse.scoring.collected import Collected

RANDOM, ORACLE = "random", "label_oracle"
#: Records of earlier evaluations that are kept.
MAX_RECORDS = 100


@dataclass(frozen=True)
class Assembly:
    """Everything that one evaluation is made of. ``damaged``: run id → what is wrong with it."""

    dataset: RegisteredDataset
    runs: Sequence[FoundRun]
    damaged: Mapping[str, str]
    earlier: Evaluation | None
    evaluator: Evaluator
    runtime: Runtime
    collected: Collected
    records: Sequence[EvaluationRecord]

    def evaluation(self) -> Evaluation:
        """Earlier members stay where nothing new is known of them; runs that are gone go."""
        facts = self._facts()
        control_lines = {
            name: lines
            for name, lines in self.collected.lines.items()
            if self.collected.sheet is not None and name in self.collected.sheet.controls
        }
        scale = self._scale(control_lines)
        earlier = self.earlier
        members = dict(earlier.members) if earlier else {}
        controls = dict(earlier.controls) if earlier else {}
        for name, lines in control_lines.items():
            controls[name] = self._member(MemberKind.CONTROL, name, name, lines, facts, scale)
        models = {run.record.run_id: run.record.model for run in (*self.runs,)}
        for run_id, lines in self.collected.lines.items():
            if run_id in models:
                name = models[run_id]
                members[run_id] = self._updated(
                    members.get(run_id), run_id, name, lines, facts, scale
                )
        for run_id, why in self.damaged.items():
            members[run_id] = self._damaged(models[run_id], why, facts)
        sheet = self._sheet()
        record = self.dataset.record
        records = (*(earlier.records if earlier else ()), *self.records)[-MAX_RECORDS:]
        return Evaluation(
            dataset_fingerprint=record.fingerprint,
            labels_fingerprint=record.labels_fingerprint,
            n_obs=record.n_obs,
            modalities={name: part.n_vars for name, part in record.modalities.items()},
            sheet=sheet,
            evaluator=self._evaluator(),
            metrics=facts,
            members=_in_order(members, models),
            controls=_in_order(controls, self._control_names(controls)),
            records=records,
            notes=self._notes(sheet),
        )

    def _control_names(self, there: Mapping[str, Member]) -> Sequence[str]:
        return tuple(there) if self.collected.sheet is None else self.collected.sheet.controls

    def _facts(self) -> tuple[MetricFacts, ...]:
        if self.collected.sheet is not None:
            return self.collected.sheet.metrics
        return self.earlier.metrics if self.earlier else ()

    def _evaluator(self) -> Evaluator:
        if self.collected.sheet is None:
            return self.earlier.evaluator if self.earlier else self.evaluator
        return self.evaluator.model_copy(update={"versions": self.collected.sheet.versions})

    def _sheet(self) -> Sheet:
        said, record = self.collected.sheet, self.dataset.record
        if said is None:
            return self.earlier.sheet if self.earlier else Sheet()
        return Sheet(
            label_key=record.label_key,
            labels=said.labels,
            unlabelled=record.unlabelled,
            n_unlabelled=said.n_unlabelled,
            batch_key=record.batch_key,
            batches=said.batches,
        )

    def _notes(self, sheet: Sheet) -> tuple[str, ...]:
        if self.collected.sheet is None:
            return self.earlier.notes if self.earlier else ()
        notes = [*self.collected.sheet.notes, *label_notes(sheet.labels, sheet.unlabelled)]
        return tuple(notes)

    def _scale(
        self, control_lines: Mapping[str, Mapping[str, ScoreLine]]
    ) -> dict[str, tuple[float | None, float | None]]:
        """Metric → its value for the random embedding and for the oracle."""
        return {
            metric.name: (
                self._control_value(control_lines, RANDOM, metric.name),
                self._control_value(control_lines, ORACLE, metric.name),
            )
            for metric in self._facts()
        }

    def _control_value(
        self, control_lines: Mapping[str, Mapping[str, ScoreLine]], control: str, metric: str
    ) -> float | None:
        if line := control_lines.get(control, {}).get(metric):
            return line.value
        known = self.earlier.controls.get(control) if self.earlier else None
        score = known.scores.get(metric) if known else None
        return score.value if score else None

    def _updated(
        self,
        before: Member | None,
        run_id: str,
        name: str,
        lines: Mapping[str, ScoreLine],
        facts: Sequence[MetricFacts],
        scale: Mapping[str, tuple[float | None, float | None]],
    ) -> Member:
        """A member with new lines for all of its metrics, or for some that enter no aggregate."""
        if before is None or len(lines) == len(facts):
            return self._member(MemberKind.RUN, run_id, name, lines, facts, scale)
        fresh = {metric: score_of(line, *scale[metric]) for metric, line in lines.items()}
        return before.model_copy(update={"scores": {**before.scores, **fresh}})

    def _member(
        self,
        kind: MemberKind,
        member: str,
        name: str,
        lines: Mapping[str, ScoreLine],
        facts: Sequence[MetricFacts],
        scale: Mapping[str, tuple[float | None, float | None]],
    ) -> Member:
        scores = {metric: score_of(line, *scale[metric]) for metric, line in lines.items()}
        bio, batch, total = aggregates(lines, scores, facts)
        return Member(
            kind=kind,
            name=name,
            scores=scores,
            bio=bio,
            batch=batch,
            total=total,
            neighbours_seconds=self.collected.neighbours.get(member, 0.0),
            evaluated_at=datetime.now(UTC).isoformat(timespec="seconds"),
            image=self.runtime.image,
            environment_lock=self.runtime.environment_lock,
        )

    def _damaged(self, name: str, why: str, facts: Sequence[MetricFacts]) -> Member:
        scores = {
            metric.name: Score(value=None, reason=Reason.DAMAGED, detail=why) for metric in facts
        }
        bio, batch, total = aggregates({}, scores, facts)
        return Member(
            kind=MemberKind.RUN, name=name, scores=scores, bio=bio, batch=batch, total=total
        )


def _in_order(members: Mapping[str, Member], names: Iterable[str]) -> dict[str, Member]:
    """Those that are named, in that order: not in the order in which they happened to be done."""
    return {name: members[name] for name in names if name in members}
