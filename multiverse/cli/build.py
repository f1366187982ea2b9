"""``multiverse build``."""

from __future__ import annotations

from argparse import Namespace

from multiverse.cli.terminal import say, show_notes
from multiverse.errors import UsageError
from multiverse.images.accelerator import has_cuda_variant, variant
from multiverse.images.build import build_models
from multiverse.registry.models import find_models, list_models
from multiverse.specs.evaluator import EvaluatorSpec
from multiverse.specs.names import EVALUATOR


def main(arguments: Namespace) -> int:
    if arguments.all == bool(arguments.models):
        raise UsageError("name the models to build, or give --all")
    with_evaluator = EVALUATOR in arguments.models or (
        arguments.all and arguments.accelerator == "cpu"
    )
    names = [name for name in arguments.models if name != EVALUATOR]
    models = (
        list_models(arguments.models_dir)
        if arguments.all
        else list(find_models(names, arguments.models_dir).values())
    )
    if arguments.all and arguments.accelerator == "cuda":
        models = [model for model in models if has_cuda_variant(model)]
    chosen = [variant(model, arguments.accelerator) for model in models]
    if with_evaluator:
        chosen.append(EvaluatorSpec.load())
    built = build_models(
        chosen,
        base=arguments.base,
        no_cache=arguments.no_cache,
        tell=show_notes,
        verbose=arguments.verbose,
    )
    for image in built:
        say(f"{image.tag}  {image.image_id}")
    return 0
