"""From what the evaluator said to one evaluation of ``scores.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from multiverse.contract.evaluation import ScoreLine
from multiverse.contract.scores import MetricFacts, Reason, Score
from multiverse.engines.protocol import Runtime
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.run import Run
from multiverse.runs.scores import (
    Aggregate,
    Evaluation,
    EvaluationRecord,
    Evaluator,
    Member,
    MemberKind,
    Sheet,
    Weights,
)
from multiverse.runs.totals import measured, reweighted, sampling_interval
from multiverse.scoring.answers import label_notes
from multiverse.scoring.collected import Collected
from multiverse.scoring.wanted import Wanted
from multiverse.specs.names import first_of

#: Records of earlier evaluations that are kept.
MAX_RECORDS = 100
#: Means are made last and for every member: a control that is computed anew counts for all.
_NO_MEAN = Aggregate(value=None, available=0, of=0)


@dataclass(frozen=True)
class Assembly:
    """Everything that one evaluation is made of. ``damaged``: run id → what is wrong with it."""

    dataset: RegisteredDataset
    runs: Sequence[Run]
    damaged: Mapping[str, str]
    earlier: Evaluation | None
    evaluator: Evaluator
    runtime: Runtime
    collected: Collected
    records: Sequence[EvaluationRecord]
    wanted: Wanted
    weights: Weights

    def evaluation(self) -> Evaluation:
        """Return the evaluation; earlier members stay unless something new is known of them.

        A member of which some metrics have not been computed, because the evaluator was stopped,
        is left out: the next evaluation scores it.
        """
        facts = self._facts()
        controls = self._controls(facts)
        members = self._members(facts)
        sheet = self._sheet()
        record = self.dataset.record
        earlier, said = self.earlier, self.collected.sheet
        records = (*(earlier.records if earlier else ()), *self.records)[-MAX_RECORDS:]
        expected = earlier.expected_controls if earlier else ()
        scored = Evaluation(
            dataset_fingerprint=record.fingerprint,
            labels_fingerprint=record.labels_fingerprint,
            n_obs=record.n_obs,
            modalities={name: cohort.n_vars for name, cohort in record.modalities.items()},
            sheet=sheet,
            evaluator=self._evaluator(),
            metrics=facts,
            members=members,
            controls=controls,
            expected_controls=said.controls if said else expected,
            records=records,
            notes=self._notes(sheet, [*members.values(), *controls.values()]),
        )
        return reweighted(scored, self.weights)

    def _controls(self, facts: Sequence[MetricFacts]) -> dict[str, Member]:
        said = self.collected.sheet
        controls = dict(self.earlier.controls) if self.earlier else {}
        for name in said.controls if said else ():
            lines = self.collected.lines.get(name, {})
            if _are_all(lines, facts):
                controls[name] = self._member(MemberKind.CONTROL, name, name, lines)
        return controls

    def _members(self, facts: Sequence[MetricFacts]) -> dict[str, Member]:
        runs = {run.record.run_id: run for run in self.runs}
        members: dict[str, Member] = {}
        if self.earlier is not None:
            records = (run.record for run in self.runs)
            members |= self.earlier.of_runs(records).members
        for run_id in runs.keys() & self.collected.lines.keys():
            lines, before = self.collected.lines[run_id], members.get(run_id)
            if _are_all(lines, facts):
                model = runs[run_id].record.model
                fresh = self._member(MemberKind.RUN, run_id, model, lines)
                members[run_id] = fresh.model_copy(
                    update={
                        "checksum": runs[run_id].record.embedding_checksum,
                        "siblings": self.wanted.siblings.get(run_id, ()),
                    }
                )
            elif before is not None and run_id in self.wanted.only:
                members[run_id] = self._updated(before, run_id, lines)
        for run_id, why in self.damaged.items():
            members[run_id] = self._damaged(runs[run_id].record.model, why, facts)
        return {name: members[name] for name in runs if name in members}

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

    def _notes(self, sheet: Sheet, members: Sequence[Member]) -> tuple[str, ...]:
        if self.collected.sheet is None:
            return self.earlier.notes if self.earlier else ()
        notes = [*self.collected.sheet.notes, *label_notes(sheet.labels, sheet.unlabelled)]
        return tuple(dict.fromkeys([*notes, *self._remarks(members)]))

    def _remarks(self, members: Sequence[Member]) -> list[str]:
        """Return the evaluator's remarks on values that it gives: that they rest on few cells.

        They name the members that they are of, unless all have the same.
        """
        titles = {metric.name: metric.title for metric in self._facts()}
        found: dict[str, list[str]] = {}
        for member in members:
            for name, score in member.scores.items():
                if score.value is not None and score.detail:
                    found.setdefault(f"{titles[name]}: {score.detail}", []).append(member.name)
        everybody = len(members)
        return [
            words if len(own) == everybody else f"{words} ({first_of([*dict.fromkeys(own)], 6)})"
            for words, own in found.items()
        ]

    def _updated(self, before: Member, run_id: str, lines: Mapping[str, ScoreLine]) -> Member:
        """Return a member with new lines for metrics that enter no aggregate."""
        fresh = {metric: score_of(line) for metric, line in lines.items()}
        siblings = self.wanted.siblings.get(run_id, ())
        update = {"scores": {**before.scores, **fresh}, "siblings": siblings}
        return before.model_copy(update=update)

    def _member(
        self,
        kind: MemberKind,
        member: str,
        name: str,
        lines: Mapping[str, ScoreLine],
    ) -> Member:
        return Member(
            kind=kind,
            name=name,
            scores={metric: score_of(line) for metric, line in lines.items()},
            bio=_NO_MEAN,
            batch=_NO_MEAN,
            total=_NO_MEAN,
            neighbours_seconds=self.collected.neighbours.get(member, 0.0),
            evaluated_at=datetime.now(UTC).isoformat(timespec="seconds"),
            image=self.runtime.image,
            environment_lock=self.runtime.environment_lock,
        )

    def _damaged(self, name: str, why: str, facts: Sequence[MetricFacts]) -> Member:
        scores = {
            metric.name: Score(value=None, reason=Reason.DAMAGED, detail=why) for metric in facts
        }
        return Member(
            kind=MemberKind.RUN,
            name=name,
            scores=scores,
            bio=_NO_MEAN,
            batch=_NO_MEAN,
            total=_NO_MEAN,
        )


def score_of(line: ScoreLine) -> Score:
    """Return the score of a line as it is kept, with its interval; not yet scaled."""
    score = Score(
        value=line.value,
        reason=line.reason,
        detail=line.detail,
        parts=line.parts,
        variants=line.variants,
        replicates=line.replicates,
        n_cells=line.n_cells,
        approximate=line.approximate,
        seconds=line.seconds,
    )
    return score.model_copy(update={"interval": sampling_interval(measured(score))})


def _are_all(lines: Mapping[str, ScoreLine], facts: Sequence[MetricFacts]) -> bool:
    return lines.keys() == {metric.name for metric in facts}
