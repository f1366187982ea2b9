"""``multiverse run``."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from multiverse.afterwards import Conclusion, Steps, conclude
from multiverse.api import Request, preview_benchmark, raise_failures, run_benchmark
from multiverse.cli.conclusion import print_conclusion
from multiverse.cli.evaluating import Evaluating
from multiverse.cli.json_events import JsonEvents
from multiverse.cli.preview import print_preview
from multiverse.cli.progress import Progress
from multiverse.cli.scores import print_scores
from multiverse.cli.summary import print_summary
from multiverse.cli.terminal import say, teller
from multiverse.engines.protocol import Say
from multiverse.errors import JobsFailed, UsageError
from multiverse.runner.capacity import Machine
from multiverse.runner.execute import RunOptions
from multiverse.runs.results import Results
from multiverse.scoring.outcome import ScoringOptions
from multiverse.specs.benchmark import BenchmarkSource
from multiverse.specs.quantity import parse_bytes

DEFAULT_OUTPUT = Path("results")


def main(arguments: Namespace) -> int:
    return run(read_source(arguments), arguments)


def run(source: BenchmarkSource, arguments: Namespace) -> int:
    """Run a benchmark with live progress, then say what came of it."""
    output = arguments.output or source.benchmark.output or DEFAULT_OUTPUT
    request = Request(
        source=source,
        output=output,
        engine=arguments.engine or os.environ.get("MULTIVERSE_ENGINE") or "auto",
        options=_options(source, arguments),
        models_dirs=arguments.models_dir,
    )
    if arguments.dry_run:
        return print_preview(
            preview_benchmark(request, say=teller(json=arguments.json)), arguments.json
        )
    if arguments.json:
        events = JsonEvents()
        results = run_benchmark(request, listener=events, say=events.noted)
        events.summary(results)
        conclusion = _conclude(results, request, arguments, events.noted, events.scoring)
        events.concluded(conclusion)
    else:
        with Progress() as progress:
            results = run_benchmark(request, listener=progress, say=say)
        print_summary(results)
        with Evaluating() as evaluating:
            conclusion = _conclude(results, request, arguments, say, evaluating)
        print_scores(results.refresh())
        print_conclusion(conclusion)
    try:
        raise_failures(results)
    except JobsFailed as failure:
        return failure.exit_code
    return 0 if conclusion.complete else 1


def _conclude(
    results: Results,
    request: Request,
    arguments: Namespace,
    tell: Say,
    progress: Callable[[str, int, int], None],
) -> Conclusion:
    """Scores, report and MLflow, as far as they are wanted."""
    steps = Steps(
        evaluate=not arguments.no_evaluate,
        report=not arguments.no_report,
        tracked=not arguments.no_mlflow,
        mlflow=arguments.mlflow or None,
    )
    return conclude(
        results.refresh(),
        steps,
        engine=request.engine,
        options=ScoringOptions(machine=request.options.machine, build=request.options.build),
        say=tell,
        progress=progress,
    )


def _options(source: BenchmarkSource, arguments: Namespace) -> RunOptions:
    return RunOptions(
        parallel=arguments.jobs,
        machine=Machine(
            cpus=arguments.cpus,
            memory=amount(arguments.memory, "--memory"),
            gpus=_gpus(arguments.gpus),
            jobs_per_gpu=arguments.jobs_per_gpu,
        ),
        build=not arguments.no_build,
        rerun=arguments.rerun,
        only_failed=arguments.only_failed,
        verbose=arguments.verbose,
        min_free=amount(arguments.min_free, "--min-free") or 0,
        tags={**source.benchmark.tags, **pairs(arguments.tag, "--tag")},
    )


def amount(text: str | None, option: str) -> int | None:
    """Bytes of an option such as ``--memory 64GiB``."""
    if text is None or text == "0":
        return None
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise UsageError(f"{option} {error}") from error


def _gpus(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return () if text == "none" else tuple(filter(None, text.split(",")))


def read_source(arguments: Namespace) -> BenchmarkSource:
    """The benchmark of a file or of the short form; the command line overrides the file."""
    said = list(reading(arguments))
    if said and not arguments.input:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in said)
        options = options.replace("--modalities", "--modality")
        raise UsageError(
            f"{options}: said when a file is registered, so only together with --input",
            remedy="Register the file again: multiverse register FILE --slug SLUG --replace …",
        )
    short = [name for name in ("models", "input", "dataset") if getattr(arguments, name)]
    if arguments.benchmark is not None:
        if short or arguments.parameter:
            given = ", ".join(f"--{name}" for name in [*short, "parameter"][: len(short) or 1])
            raise UsageError(
                f"{arguments.benchmark} says what to run, so {given} can't be given as well"
            )
        return _overridden(BenchmarkSource.load(arguments.benchmark), arguments)
    if not arguments.models or len(short) < 2:
        raise UsageError(
            "say what to run: a benchmark file, or --models and --input",
            remedy="multiverse run --models pca mofa --input data.h5mu --output results/",
        )
    return BenchmarkSource.of(_short_form(arguments))


def _short_form(arguments: Namespace) -> dict[str, Any]:
    return {
        "datasets": [_dataset(arguments)],
        "models": _models(arguments),
        **_overrides(arguments),
    }


def _overrides(arguments: Namespace) -> dict[str, Any]:
    resources = {
        "cpus": arguments.job_cpus,
        "memory": arguments.job_memory,
        "time_limit": arguments.time_limit,
        "retries": arguments.retries,
    }
    given = {"seeds": arguments.seeds, "device": arguments.device}
    return {
        **{name: value for name, value in given.items() if value is not None},
        "resources": {name: value for name, value in resources.items() if value is not None},
    }


def _overridden(source: BenchmarkSource, arguments: Namespace) -> BenchmarkSource:
    given = BenchmarkSource.of(
        {"datasets": ["any"], "models": ["any"], **_overrides(arguments)}
    ).benchmark
    return source.updated(
        {name: getattr(given, name) for name in given.model_fields_set & {"seeds", "device"}},
        given.resources,
    )


def _dataset(arguments: Namespace) -> dict[str, Any]:
    if arguments.dataset:
        return {"slug": arguments.dataset}
    return {"path": str(arguments.input), **reading(arguments)}


def reading(arguments: Namespace) -> dict[str, Any]:
    """The options that say how a file is to be read, as a dataset entry has them."""
    content = {
        "batch_key": arguments.batch_key,
        "label_key": arguments.label_key,
        "unlabelled": arguments.unlabelled,
        "modalities": pairs(arguments.modality, "--modality"),
        "layer": arguments.layer,
        "intersect": arguments.intersect,
        "mosaic": arguments.mosaic,
    }
    return {name: value for name, value in content.items() if value}


def _models(arguments: Namespace) -> list[dict[str, Any]]:
    """Models with their ``-p model.name=value``; values are read as YAML reads them."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    settings: dict[str, dict[str, Any]] = {name: {} for name in arguments.models}
    for key, text in pairs(arguments.parameter, "--parameter").items():
        model, dot, name = key.partition(".")
        if not dot or model not in settings:
            raise UsageError(
                f"--parameter {key}: write MODEL.NAME=VALUE with one of {', '.join(settings)}"
            )
        try:
            settings[model][name] = YAML(typ="safe", pure=True).load(text)
        except YAMLError as error:
            raise UsageError(f"--parameter {key}: {text!r} is not a value") from error
    return [{"model": name, "parameters": settings[name]} for name in arguments.models]


def pairs(items: list[str], option: str) -> dict[str, str]:
    """``NAME=VALUE`` arguments as a dictionary."""
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {item}: write it as NAME=VALUE")
        found[name] = value
    return found
