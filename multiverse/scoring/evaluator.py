"""The evaluator on an engine: started with its inputs, or taken over, and brought to its end."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from multiverse.contract.evaluation import EvaluationFiles, EvaluationSettings
from multiverse.engines.protocol import (
    MAX_FILE_BYTES,
    Capacity,
    Ending,
    Engine,
    Execution,
    Orphan,
    Runtime,
)
from multiverse.events import Tell
from multiverse.images.locks import read_pins
from multiverse.plan.job import Limits
from multiverse.runner.prepared import environment
from multiverse.runner.supervise import seconds_before, supervise
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.scores import Evaluator
from multiverse.runs.started import StartedEvaluation
from multiverse.runs.writing import write_atomic
from multiverse.scoring.collected import LineFollower
from multiverse.scoring.unfinished import Unfinished, owner_labels
from multiverse.specs.evaluator import EvaluatorSpec


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
        """What the evaluator asks for, as far as the machine has it."""
        asked = self.spec.yaml.resources
        return Limits(
            cpus=min(asked.cpus, self.capacity.cpus),
            memory=min(asked.memory, self.capacity.memory),
            time_limit=self.time_limit,
        )

    def evaluator(self, settings: EvaluationSettings) -> Evaluator:
        """The evaluator with these settings, as it stands in every file of scores."""
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


class EvaluatorRun:
    """One start of the evaluator, in a folder of its own."""

    def __init__(self, context: ScoringContext, attempt: AttemptFolder, log: Path) -> None:
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
        self._attempt.output.folder.mkdir(parents=True)
        write_atomic(self._attempt.started, started.to_json())
        write_atomic(self.files.request, started.request.model_dump_json())
        execution = Execution(
            runtime=self._context.runtime,
            data=inputs.data,
            more_inputs=inputs.more,
            output=self._attempt.output.folder.resolve(),
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
                elapsed=seconds_before(orphan, started.record.started_at),
            )
