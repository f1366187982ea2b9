"""Trains models on a case through multiverse itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.models.cases import MODELS, Case
from multiverse.api import Request, raise_failures, run_benchmark
from multiverse.cli.terminal import show_notes
from multiverse.events import Tell
from multiverse.runner.host import host_facts
from multiverse.runs.run import Run
from multiverse.specs.benchmark import BenchmarkSource


@dataclass(frozen=True)
class Training:
    """One model on one case with one seed, told the batches or not."""

    case: Case
    model: str
    seed: int = 0
    batch: bool = True

    def source(self, seeds: Sequence[int] | None = None) -> BenchmarkSource:
        """Return the benchmark that asks for it, or for the same with several seeds."""
        return BenchmarkSource.of(
            {
                "name": "model-quality",
                "datasets": [self.case.entry(batch=self.batch)],
                "models": [MODELS[self.model].entry(self.model, seeds or [self.seed])],
            }
        )


def train(
    training: Training,
    output: Path,
    *,
    seeds: Sequence[int] | None = None,
    engine: str = "auto",
    tell: Tell = show_notes,
) -> list[Run]:
    """Return complete runs, one a seed (of the training alone by default).

    Raises :class:`JobsFailed` if one failed.
    """
    request = Request(training.source(seeds), output, engine=engine)
    results = run_benchmark(request, tell=tell)
    raise_failures(results)
    return list(results)


def machine() -> dict[str, Any]:
    """Return the machine that figures are recorded on, without the name of its kernel."""
    return {name: fact for name, fact in host_facts().items() if name != "platform"}
