"""What was recorded of the models' quality: reads and writes ``results/quality.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.models.agreement import Agreement, agreement, mixing
from benchmarks.models.cases import CASES, MODELS
from benchmarks.models.evidence import Evidence
from benchmarks.models.training import Training, machine
from multiverse.runner.host import versions
from multiverse.runs.run import Run

RESULT = Path(__file__).resolve().parent / "results" / "quality.json"


@dataclass(frozen=True)
class Judged:
    """The figures of one run, and the evidence that they follow from.

    ``mixing``: of the batches, None without any. ``batch``: whether the model was told them.
    ``before``: the worst figures over all seeds that stood in the record when this run replaced
    one with other evidence; None where it replaced none. ``evidence``: None for runs that were
    recorded without, which prove nothing.
    """

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
    batch: bool = True
    engine: str = ""
    processor: str = ""
    evidence: Evidence | None = None
    before: Agreement | None = None

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> Judged:
        before = values.get("before")
        read = {
            "evidence": Evidence.of_plain(values.get("evidence")),
            "before": before and Agreement(**before),
            "warnings": tuple(values["warnings"]),
        }
        return cls(**{**values, **read})

    def is_of(self, training: Training) -> bool:
        """Return True for a run of this training, with this or another seed."""
        wanted = (training.case.slug, training.model, training.batch)
        return (self.case, self.model, self.batch) == wanted


@dataclass(frozen=True)
class Baseline:
    """The figures of an embedding that any model should surpass."""

    figures: Agreement
    evidence: Evidence | None = None

    def plain(self) -> dict[str, Any]:
        return {**self.figures.plain(), "evidence": self.evidence and self.evidence.plain()}

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> Baseline:
        figures = {name: value for name, value in values.items() if name != "evidence"}
        return cls(Agreement(**figures), Evidence.of_plain(values.get("evidence")))


@dataclass
class Records:
    """All recorded runs, and for each case its baselines by name."""

    runs: list[Judged] = field(default_factory=list)
    baselines: dict[str, dict[str, Baseline]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path = RESULT) -> Records:
        content = json.loads(path.read_text()) if path.exists() else {"runs": [], "baselines": {}}
        return cls(
            [Judged.of_plain(run) for run in content["runs"]],
            {
                case: {name: Baseline.of_plain(values) for name, values in found.items()}
                for case, found in content["baselines"].items()
            },
        )

    def write(self, path: Path = RESULT) -> None:
        content = {
            "runs": [run.plain() for run in self.runs],
            "baselines": {
                case: {name: baseline.plain() for name, baseline in found.items()}
                for case, found in self.baselines.items()
            },
            "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": versions(),
        }
        path.write_text(json.dumps(content, indent=1) + "\n")

    def of(self, training: Training) -> list[Judged]:
        """Return the recorded runs of a training, with every seed."""
        return [run for run in self.runs if run.is_of(training)]

    def seed(self, training: Training) -> Judged | None:
        """Return the recorded run with the training's own seed."""
        return next((run for run in self.of(training) if run.seed == training.seed), None)

    def current(self, training: Training, now: Evidence) -> Judged | None:
        """Return the recorded run if its evidence is ``now``; None: train again."""
        run = self.seed(training)
        return run if run is not None and not now.differences(run.evidence) else None

    def baseline(self, case: str, name: str, now: Evidence) -> Baseline | None:
        """Return the recorded baseline if its evidence is ``now``; None: train again."""
        found = self.baselines.get(case, {}).get(name)
        return found if found is not None and not now.differences(found.evidence) else None

    def worst(self, training: Training) -> Agreement | None:
        """Return the worst of each figure over the recorded seeds of a training."""
        runs = self.of(training)
        if not runs:
            return None
        return Agreement(*(min(getattr(run, name) for run in runs) for name in _AGREEMENT))

    def put(self, training: Training, judged: list[Judged]) -> None:
        """Record runs of one training with several seeds in the place of those before."""
        worst = self.worst(training)
        earlier = {run.seed: run for run in self.of(training)}
        new = [_following(run, earlier.get(run.seed), worst) for run in judged]
        seeds = {run.seed for run in judged}
        kept = [run for run in self.runs if not (run.is_of(training) and run.seed in seeds)]
        self.runs = sorted([*kept, *new], key=_order)


_AGREEMENT = tuple(Agreement.__annotations__)


def judge(training: Training, run: Run, now: Evidence | None = None) -> Judged:
    """Judge a run of a training; its rows are in the order of the file's cells."""
    labels, batch = training.case.labels()
    latent, record = run.embedding(), run.record
    memory = record.usage.peak_memory_bytes
    return Judged(
        case=training.case.slug,
        model=record.model,
        seed=record.seed,
        **agreement(latent, labels).plain(),
        mixing=mixing(latent, labels, batch),
        peak_memory_mib=None if memory is None else round(memory / 2**20),
        warnings=record.warnings,
        settings=MODELS[record.model].plain(),
        batch=training.batch,
        engine=record.engine.name,
        processor=str(record.host.get("processor", "")),
        evidence=now,
    )


def _following(run: Judged, earlier: Judged | None, worst: Agreement | None) -> Judged:
    """Return the run with the standard of the one that it repeats, or with today's worst."""
    if earlier is not None and earlier.evidence is not None and earlier.evidence == run.evidence:
        return replace(run, before=earlier.before)
    return replace(run, before=worst)


def _order(run: Judged) -> tuple[int, int, bool, int]:
    """Return the place of a run in the order of cases.py, which is that of the tables."""
    return [*CASES].index(run.case), [*MODELS].index(run.model), not run.batch, run.seed
