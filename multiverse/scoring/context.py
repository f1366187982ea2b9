"""Where evaluations happen and how: the same for all datasets of a results folder."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.engines.protocol import Capacity, Engine, Runtime, Say
from multiverse.images.locks import read_pins
from multiverse.plan.job import Limits
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.scores import Evaluator
from multiverse.scoring.attempt import Progress
from multiverse.specs.evaluator import EvaluatorSpec


@dataclass(frozen=True)
class ScoringContext:
    """The evaluator, ready to start, and who is to hear of it."""

    spec: EvaluatorSpec
    engine: Engine
    runtime: Runtime
    results: ResultsFolder
    capacity: Capacity
    progress: Progress
    say: Say
    cancelled: threading.Event

    @property
    def limits(self) -> Limits:
        """What the evaluator asks for, as far as the machine has it."""
        asked = self.spec.yaml.resources
        return Limits(
            cpus=min(asked.cpus, self.capacity.cpus), memory=min(asked.memory, self.capacity.memory)
        )

    def evaluator(self, settings: EvaluationSettings) -> Evaluator:
        """The evaluator with these settings, as it stands in every file of scores."""
        return Evaluator(
            version=self.spec.version,
            scib_metrics=read_pins(self.spec.requirements)["scib-metrics"].version,
            settings=settings.model_dump(mode="json"),
        )
