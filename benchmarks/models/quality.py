"""Records how well every model keeps the labels of real data, with the spread over seeds.

``python -m benchmarks.models.quality`` from the root of the repository. Each model runs as users
run it (an engine, a locked environment or an image), with the short settings of ``cases.py``.
``tests/science`` compares a fresh run of each with what is recorded here.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.models.agreement import Agreement, agreement, random_embedding
from benchmarks.models.cases import CASES, MODELS, Case, applicable
from benchmarks.models.judge import Judged, judge, machine, run_models
from multiverse.cli.progress import Progress
from multiverse.runner.host import versions

RESULT = Path(__file__).resolve().parent / "results" / "quality.json"
FIGURES = ("ari", "nmi", "purity", "mixing")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--output", type=Path, default=Path("results-quality"))
    options = parser.parse_args()
    content = json.loads(RESULT.read_text()) if RESULT.exists() else {"runs": [], "baselines": {}}
    for slug in options.cases:
        case = CASES[slug]
        content["baselines"][slug] = baselines(case, options.output, options.engine)
        for model in [name for found, name in applicable() if found is case]:
            if model in options.models:
                judged = _judge_model(case, model, options)
                _replace(content, judged)
                RESULT.write_text(json.dumps(content, indent=1) + "\n")
                _show(judged)
    return 0


def baselines(case: Case, output: Path, engine: str) -> dict[str, dict[str, float]]:
    """A random embedding, and ``pca`` of each modality alone."""
    data = case.read()
    labels = case.column(case.label_key, data)
    found: dict[str, Agreement] = {"random": agreement(random_embedding(data.n_obs), labels)}
    for name in case.modalities:
        (run,) = run_models(case.alone(name, output), ["pca"], output, engine=engine)
        found[f"pca_{name}"] = agreement(run.embedding(), labels)
    return {name: figures.plain() for name, figures in found.items()}


def _judge_model(case: Case, model: str, options: argparse.Namespace) -> list[Judged]:
    with Progress() as progress:
        runs = run_models(
            case,
            [model],
            options.output,
            seeds=options.seeds if MODELS[model].seeded else options.seeds[:1],
            engine=options.engine,
            tell=progress,
        )
    return [judge(case, run) for run in runs]


def _replace(content: dict[str, Any], judged: list[Judged]) -> None:
    """Put new figures of a model, case and seed in the place of the old ones."""
    new = {(run.case, run.model, run.seed) for run in judged}
    kept = [run for run in content["runs"] if (run["case"], run["model"], run["seed"]) not in new]
    content["runs"] = kept + [run.plain() for run in judged]
    content["recorded"] = datetime.now(UTC).isoformat(timespec="seconds")
    content["machine"] = machine()
    content["versions"] = versions()


def _show(judged: list[Judged]) -> None:
    figures = []
    for name in FIGURES:
        values = [value for run in judged if (value := getattr(run, name)) is not None]
        if values:
            figures.append(f"{name} {mean(values):.3f} ({min(values):.3f}–{max(values):.3f})")
    print(f"{judged[0].case} {judged[0].model}: {', '.join(figures)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
