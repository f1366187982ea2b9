"""The evaluator: what it is asked and given, and one start of it brought to its end."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from multiverse.contract.evaluation import EvaluationFiles, EvaluationRequest, EvaluationSettings
from multiverse.contract.files import MAX_FILE_BYTES
from multiverse.contract.folders import make_folder
from multiverse.contract.paths import LABELS_FILE
from multiverse.engines.protocol import (
    Capacity,
    Ending,
    Engine,
    Execution,
    Orphan,
    Runtime,
    heed,
)
from multiverse.events import Tell
from multiverse.images.locks import read_pins
from multiverse.plan.job import Limits
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runner.host import host_facts, versions
from multiverse.runner.prepared import environment
from multiverse.runner.supervise import seconds_before, supervise
from multiverse.runs.clock import Moment
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.run import Run
from multiverse.runs.scores import EvaluationRecord, Evaluator
from multiverse.runs.writing import write_atomic
from multiverse.scoring.answers import Cohort
from multiverse.scoring.collected import Collected, LineFollower
from multiverse.scoring.unfinished import StartedEvaluation, Unfinished, owner_labels
from multiverse.scoring.wanted import Wanted
from multiverse.specs.evaluator import EvaluatorSpec, step_seconds


@dataclass(frozen=True)
class ScoringContext:
    """The evaluator, ready to start, and who is to hear of it: the same for all datasets.

    ``time_limit``: seconds that one start of the evaluator may take. ``unfinished``: what an
    evaluation left that was killed.
    """

    spec: EvaluatorSpec
    engine: Engine
    runtime: Runtime
    results: ResultsFolder
    capacity: Capacity
    time_limit: int
    unfinished: Unfinished
    tell: Tell
    cancelled: threading.Event

    @property
    def limits(self) -> Limits:
        """The resources that the evaluator asks for, as far as the machine has them."""
        asked = self.spec.yaml.resources
        return Limits(
            cpus=min(asked.cpus, self.capacity.cpus),
            memory=min(asked.memory, self.capacity.memory),
            time_limit=self.time_limit,
        )

    def evaluator(self, settings: EvaluationSettings) -> Evaluator:
        """Return the evaluator with these settings, as it stands in every file of scores."""
        return Evaluator(
            version=self.spec.version,
            scib_metrics=read_pins(self.spec.requirements)["scib-metrics"].version,
            settings=settings.model_dump(mode="json"),
        )


@dataclass(frozen=True)
class Inputs:
    """The files that the evaluator reads. ``more``: by their path below ``/input``."""

    data: Path
    more: Mapping[str, Path]


@dataclass(frozen=True)
class CohortRequest:
    """A request to the evaluator about one cohort. ``again``: whatever scores there are."""

    context: ScoringContext
    cohort: Cohort
    dataset: RegisteredDataset
    wanted: Wanted
    settings: EvaluationSettings
    again: bool

    @property
    def models(self) -> dict[str, str]:
        """Run id → model."""
        return {run.record.run_id: run.record.model for run in self.cohort.runs}

    def lacking(self, collected: Collected) -> dict[str, tuple[str, ...]]:
        """Return member → metrics that are wanted and have no line yet."""
        sheet, wanted = collected.sheet, self.wanted
        controls = sheet.controls if sheet and wanted.controls else ()
        return collected.lacking([*controls, *wanted.runs], wanted.only)

    def request(
        self,
        collected: Collected,
        layouts: Collection[str],
        skip: Sequence[tuple[str, str, str]],
    ) -> EvaluationRequest:
        """Return the request for what is not ``collected`` yet, nor among the ``layouts``."""
        record, wanted = self.dataset.record, self.wanted
        only = dict(wanted.only)
        runs = wanted.runs
        controls: tuple[str, ...] | None = None if wanted.controls else ()
        if collected.sheet is not None:
            only = self.lacking(collected)
            names = set(collected.sheet.controls)
            runs = tuple(run for run in wanted.runs if run in only)
            controls = tuple(name for name in only if name in names)
        return EvaluationRequest(
            dataset=record.slug,
            modalities=tuple(record.modalities),
            label_key=record.label_key,
            unlabelled=record.unlabelled,
            batch_key=record.batch_key,
            runs=runs,
            models=self.models,
            controls=controls,
            seeds=dict(wanted.siblings),
            umaps=tuple(run for run in wanted.layouts if run not in layouts),
            only=only,
            skip=tuple(skip),
            settings=self.settings,
            step_seconds=step_seconds(record.n_obs, self.context.time_limit),
        )

    def started(self, request: EvaluationRequest, limits: Limits) -> StartedEvaluation:
        """Return everything about a start that is known before it begins."""
        context = self.context
        record = EvaluationRecord(
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            members=(*(request.controls or ()), *request.runs),
            engine=context.engine.facts(),
            image=context.runtime.image,
            environment_lock=context.runtime.environment_lock,
            limits=limits.plain(),
            host=host_facts(),
            versions=versions(),
        )
        return StartedEvaluation(
            moment=Moment.now(),
            request=request,
            record=record,
            dataset_fingerprint=self.cohort.fingerprint,
            labels_fingerprint=self.dataset.record.labels_fingerprint,
            evaluator=context.evaluator(self.settings),
            checksums={run.record.run_id: run.record.embedding_checksum for run in self._given()},
            again=self.again,
        )

    def inputs(self) -> Inputs:
        """Return the dataset, its held-out labels, and every embedding that is asked for."""
        more: dict[str, Path] = {
            f"embeddings/{run.record.run_id}.h5": run.files.embeddings.absolute()
            for run in self._given()
        }
        if self.dataset.labels.is_file():
            more[LABELS_FILE] = self.dataset.labels
        return Inputs(self.dataset.data, more)

    def _given(self) -> list[Run]:
        """Return the runs whose embeddings the evaluator is given."""
        wanted = self.wanted
        needed = {*wanted.runs, *wanted.layouts}
        needed |= {other for run in wanted.runs for other in wanted.siblings.get(run, ())}
        return [run for run in self.cohort.runs if run.record.run_id in needed]


class EvaluatorRun:
    """One start of the evaluator, in a folder of its own."""

    def __init__(self, context: ScoringContext, attempt: AttemptFolder, log: Path) -> None:
        heed(context.engine, context.cancelled)
        self._context = context
        self._attempt = attempt
        self._log = log

    @property
    def files(self) -> EvaluationFiles:
        folder = self._attempt.output.folder
        return EvaluationFiles(folder, folder)

    def start(
        self, started: StartedEvaluation, inputs: Inputs, limits: Limits, follower: LineFollower
    ) -> Ending:
        """Start it and take in its lines until it ends, or is stopped."""
        make_folder(self._attempt.output.folder, 0o700, new=True)
        write_atomic(self._attempt.started, started.to_json())
        write_atomic(self.files.request, started.request.model_dump_json())
        execution = Execution(
            runtime=self._context.runtime,
            data=inputs.data,
            more_inputs=inputs.more,
            output=self._attempt.output.folder.absolute(),
            log=self._log,
            cpus=limits.cpus,
            memory=limits.memory,
            max_file_bytes=min(limits.disk, MAX_FILE_BYTES),
            device="cpu",
            labels=owner_labels(self._context.results, self._attempt),
            environment=environment(limits),
        )
        with self._context.engine.start(execution) as running:
            return supervise(
                running,
                self._attempt.output.folder,
                limits,
                cancelled=self._context.cancelled,
                look=follower.look,
            )

    def adopt(self, started: StartedEvaluation, orphan: Orphan, follower: LineFollower) -> Ending:
        """Take it over from a command that was killed: all of its lines, and those to come."""
        with self._context.engine.adopt(orphan, self._log, None) as running:
            return supervise(
                running,
                self._attempt.output.folder,
                Limits.of_plain(started.record.limits),
                cancelled=self._context.cancelled,
                look=follower.look,
                elapsed=seconds_before(orphan, started.moment, started.record.started_at),
            )
