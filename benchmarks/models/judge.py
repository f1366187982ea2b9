"""Runs models on a case through multiverse itself, and judges their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.models.agreement import agreement, batch_mixing
from benchmarks.models.cases import MODELS, Case
from multiverse.api import Request, raise_failures, run_benchmark
from multiverse.runner.events import Listener
from multiverse.runner.host import host_facts
from multiverse.runs.run import Run
from multiverse.specs.benchmark import BenchmarkSource


@dataclass(frozen=True)
class Judged:
    """One run: agreement with the labels, mixing of the batches (if there are any)."""

    case: str
    model: str
    seed: int
    ari: float
    nmi: float
    purity: float
    mixing: float | None
    peak_memory_mib: float | None
    warnings: tuple[str, ...]
    settings: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def run_models(
    case: Case,
    models: Sequence[str],
    output: Path,
    *,
    seeds: Sequence[int] = (0,),
    batch: bool = True,
    engine: str = "auto",
    listener: Listener | None = None,
    say: Callable[[str], None] = print,
) -> list[Run]:
    """Complete runs of ``models`` on a case; raises :class:`JobsFailed` if one failed."""
    source = BenchmarkSource.of(
        {
            "name": "model-quality",
            "datasets": [case.entry(batch=batch)],
            "models": [MODELS[model].entry(model, seeds) for model in models],
        }
    )
    results = run_benchmark(Request(source, output, engine=engine), listener=listener, say=say)
    raise_failures(results)
    return list(results)


def judge(case: Case, run: Run) -> Judged:
    """The figures of one run; its rows are in the order of the file's cells."""
    data = case.read()
    labels = case.column(case.label_key, data)
    latent, record = run.embedding(), run.record
    kept = agreement(latent, labels)
    mixing = None
    if case.batch_key is not None:
        mixing = round(batch_mixing(latent, labels, case.column(case.batch_key, data)), 4)
    memory = record.usage.peak_memory_bytes
    return Judged(
        case=case.slug,
        model=record.model,
        seed=record.seed,
        **kept.plain(),
        mixing=mixing,
        peak_memory_mib=None if memory is None else round(memory / 2**20),
        warnings=record.warnings,
        settings=MODELS[record.model].plain(),
    )


def machine() -> dict[str, Any]:
    """The machine that figures were recorded on, without the name of its kernel."""
    return {name: fact for name, fact in host_facts().items() if name != "platform"}
