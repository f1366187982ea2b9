"""``multiverse demo``."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from multiverse.cli.run import run
from multiverse.cli.terminal import say, show_notes
from multiverse.demo import make_demo
from multiverse.registry.models import list_models
from multiverse.specs.benchmark import BenchmarkSource

#: The demo shows what a run is; the defaults of these models would train it for much longer.
SHORT: dict[str, dict[str, Any]] = {
    "mofa": {"max_iterations": 100},
    "multivi": {"max_epochs": 50, "lr": 1e-3},
    "totalvi": {"max_epochs": 60},
    "mowgli": {"max_iter": 3, "max_iter_inner": 100},
    "cobolt": {"max_epochs": 40},
}


def main(arguments: Namespace) -> int:
    datasets = make_demo(
        arguments.folder, n_cells=arguments.cells, seed=arguments.seed, tell=show_notes
    )
    if not arguments.run:
        for dataset in datasets:
            say(f"run it: multiverse run --models pca mofa --input {dataset.path}")
        return 0
    light_first = sorted(
        list_models(arguments.models_dir), key=lambda model: model.yaml.resources.memory
    )
    names = [model.name for model in light_first]
    models = [{"model": name, "parameters": SHORT.get(name, {})} for name in names]
    say("training is cut short for a first look; defaults: multiverse models NAME")
    entries = [
        {
            "slug": dataset.name,
            "path": str(dataset.path),
            **({"batch_key": dataset.batch_key} if dataset.batch_key else {}),
            **({"label_key": dataset.label_key} if dataset.label_key else {}),
        }
        for dataset in datasets
    ]
    resources = {
        name: value
        for name in ("cpus", "memory", "time_limit")
        if (value := getattr(arguments, name)) is not None
    }
    source = BenchmarkSource.of(
        {"name": "demo", "datasets": entries, "models": models, "resources": resources}
    )
    return run(source, arguments)
