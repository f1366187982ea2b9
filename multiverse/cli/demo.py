"""``multiverse demo``."""

from __future__ import annotations

from argparse import Namespace

from multiverse.cli.run import run
from multiverse.cli.terminal import say
from multiverse.demo import make_demo
from multiverse.registry.models import list_models
from multiverse.specs.benchmark import BenchmarkSource


def main(arguments: Namespace) -> int:
    datasets = make_demo(arguments.folder, n_cells=arguments.cells, seed=arguments.seed, say=say)
    if not arguments.run:
        for dataset in datasets:
            say(f"run it: multiverse run --models pca mofa --input {dataset.path}")
        return 0
    light_first = sorted(
        list_models(arguments.models_dir), key=lambda model: model.yaml.resources.memory
    )
    models = [model.name for model in light_first]
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
