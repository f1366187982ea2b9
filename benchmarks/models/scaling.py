"""Time and memory of every model at 1,000, 3,000 and 10,000 cells, with the slope.

``python -m benchmarks.models.scaling`` from the root of the repository. Simulated cells (2,000
genes, 10,000 peaks, 30 proteins), the models' default preprocessing. Each model runs twice a size,
with few and with some more epochs: the difference gives the CPU seconds of one epoch, free of
start-up, reading and drawing. Slopes are least-squares fits of log(figure) on log(cells): 1 is
linear.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import table
from benchmarks.models.training import machine
from multiverse.api import Request, raise_failures, run_benchmark
from multiverse.demo.simulation import write_simulation
from multiverse.runner.host import versions
from multiverse.runs.run import Run
from multiverse.specs.benchmark import BenchmarkSource

RESULT = Path(__file__).resolve().parent / "results" / "scaling.json"
SIZES = (1_000, 3_000, 10_000)
MEMORY = "20GiB"


@dataclass(frozen=True)
class Epochs:
    """The parameter that limits a model's epochs, and the two values that are compared."""

    parameter: str
    few: int
    more: int
    fixed: dict[str, int] = field(default_factory=dict)


EPOCHS: dict[str, Epochs | None] = {
    "pca": None,
    "mofa": Epochs("max_iterations", 3, 8),
    "multivi": Epochs("max_epochs", 1, 4),
    "totalvi": Epochs("max_epochs", 1, 4),
    # An outer iteration has up to 400 steps, so that here a step stands for an epoch: one for W
    # and one for H.
    "mowgli": Epochs("max_iter_inner", 5, 20, {"max_iter": 1}),
    "cobolt": Epochs("max_epochs", 1, 4),
}


@dataclass(frozen=True)
class Cost:
    """What one model took at one size; ``epoch_seconds`` is None for a model without epochs."""

    model: str
    n_cells: int
    cpu_seconds: float
    epoch_seconds: float | None
    peak_memory_mib: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(EPOCHS), choices=list(EPOCHS))
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--output", type=Path, default=Path("results-scaling"))
    options = parser.parse_args()
    content = json.loads(RESULT.read_text()) if RESULT.exists() else {"models": {}}
    for model in options.models:
        costs = [_measure(model, size, options) for size in options.sizes]
        content["models"][model] = _summary(costs)
        content["recorded"] = datetime.now(UTC).isoformat(timespec="seconds")
        content |= {"machine": machine(), "versions": versions()}
        RESULT.write_text(json.dumps(content, indent=1) + "\n")
    table.main()
    return 0


def _measure(model: str, n_cells: int, options: argparse.Namespace) -> Cost:
    path = options.output / f"simulated-{n_cells}.h5mu"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_simulation(path, n_cells=n_cells, n_genes=2_000, n_peaks=10_000, n_proteins=30)
    epochs = EPOCHS[model]
    if epochs is None:
        runs = _run(model, path, [{}], options)
        seconds = None
    else:
        sets = [{**epochs.fixed, epochs.parameter: number} for number in (epochs.few, epochs.more)]
        runs = _run(model, path, sets, options)
        seconds_of = {run.record.parameters[epochs.parameter]: _cpu(run) for run in runs}
        seconds = (seconds_of[epochs.more] - seconds_of[epochs.few]) / (epochs.more - epochs.few)
    cost = Cost(
        model=model,
        n_cells=n_cells,
        cpu_seconds=round(min(map(_cpu, runs)), 2),
        # A difference that drowns in the noise of two runs says nothing.
        epoch_seconds=round(seconds, 3) if seconds is not None and seconds > 0 else None,
        peak_memory_mib=round(max(run.record.usage.peak_memory_bytes or 0 for run in runs) / 2**20),
    )
    print(cost, flush=True)
    return cost


def _run(
    model: str, path: Path, sets: Sequence[dict[str, int]], options: argparse.Namespace
) -> list[Run]:
    source = BenchmarkSource.of(
        {
            "name": "model-scaling",
            "datasets": [{"path": str(path), "batch_key": "batch"}],
            "models": [{"model": model, "parameters": list(sets)}],
            "resources": {"memory": MEMORY},
        }
    )
    results = run_benchmark(Request(source, options.output / "runs", engine=options.engine))
    raise_failures(results)
    return list(results)


def _cpu(run: Run) -> float:
    """CPU seconds: what else the machine does changes them less than wall seconds."""
    return run.record.usage.cpu_seconds or 0.0


def _summary(costs: Sequence[Cost]) -> dict[str, Any]:
    return {
        "sizes": [asdict(cost) for cost in costs],
        "slope_epoch_seconds": _slope(costs, [cost.epoch_seconds for cost in costs]),
        "slope_memory": _slope(costs, [cost.peak_memory_mib for cost in costs]),
        "mib_per_1000_cells": round(
            float(np.polyfit([c.n_cells / 1000 for c in costs], _memory(costs), 1)[0]), 1
        ),
    }


def _memory(costs: Sequence[Cost]) -> list[float]:
    return [cost.peak_memory_mib for cost in costs]


def _slope(costs: Sequence[Cost], values: Sequence[float | None]) -> float | None:
    """The exponent with which a figure grows with the cells; None where it can't be told."""
    known = [(cost.n_cells, value) for cost, value in zip(costs, values, strict=True) if value]
    if len(known) < 2 or any(value <= 0 for _, value in known):
        return None
    cells, figures = np.log(np.array(known)).T
    return round(float(np.polyfit(cells, figures, 1)[0]), 2)


if __name__ == "__main__":
    sys.exit(main())
