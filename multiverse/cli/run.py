"""``multiverse run``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiverse.api import (
    BenchmarkOutcome,
    Request,
    Results,
    file_entry,
    named_engine,
    output_of,
    preview_benchmark,
    read_benchmark,
    run_and_finish,
    short_benchmark,
)
from multiverse.cli.arguments import HowToRun, read_how, read_registration, yaml_value
from multiverse.cli.conclusion import print_conclusion
from multiverse.cli.evaluating import Evaluating
from multiverse.cli.pairs import files_of, pairs
from multiverse.cli.preview import print_preview
from multiverse.cli.progress import Progress
from multiverse.cli.scores import print_scores
from multiverse.cli.summary import print_summary
from multiverse.cli.terminal import notes
from multiverse.errors import JobsFailed, UsageError
from multiverse.events import everybody
from multiverse.registry import RegistrationOptions
from multiverse.specs import BenchmarkSource


@dataclass(frozen=True)
class RunArguments:
    """A benchmark file, or models with their parameters and a dataset; and how to run."""

    benchmark: Path | None
    models: Mapping[str, Mapping[str, Any]]
    dataset: Mapping[str, Any]
    output: Path | None
    how: HowToRun

    def source(self) -> BenchmarkSource:
        """Return the benchmark of the file or of the short form, as the command line changes it."""
        if self.benchmark is not None:
            return read_benchmark(self.benchmark, self.how.overrides)
        return short_benchmark(self.models, self.dataset, self.how.overrides)


def read(given: Namespace) -> RunArguments:
    """Return the arguments; :class:`UsageError` where they don't go together."""
    reading = read_registration(given, replace=True)
    if not given.input:
        _check_unused(reading)
    short = [name for name in ("models", "input", "dataset") if getattr(given, name)]
    if given.benchmark is not None:
        if short or given.parameter:
            names = ", ".join(f"--{name}" for name in [*short, "parameter"][: len(short) or 1])
            raise UsageError(
                f"{given.benchmark} says what to run, so {names} can't be given as well"
            )
        return RunArguments(given.benchmark, {}, {}, given.output, read_how(given))
    if not given.models or len(short) < 2:
        raise UsageError(
            "say what to run: a benchmark file, or --models and --input",
            remedy="multiverse run --models pca mofa --input data.h5mu --output results/",
        )
    return RunArguments(
        benchmark=None,
        models=_models(given.models, given.parameter),
        dataset={"slug": given.dataset}
        if given.dataset
        else file_entry(files_of(given.input), reading),
        output=given.output,
        how=read_how(given),
    )


def main(arguments: RunArguments) -> int:
    """Run models on datasets, score what is new and report it."""
    return carry_out(arguments.source(), arguments.output, arguments.how)


def carry_out(source: BenchmarkSource, output: Path | None, how: HowToRun) -> int:
    """Run a benchmark with live progress, then say what came of it."""
    request = Request(
        source=source,
        output=output_of(source, output),
        engine=named_engine(how.engine),
        options=how.options,
        steps=how.steps,
        models_dirs=how.models_dirs,
    )
    if how.dry_run:
        return print_preview(preview_benchmark(request, tell=notes(json=how.json)), how.json)
    outcome = _as_json(request) if how.json else _on_terminal(request)
    if outcome.results.failed:
        return JobsFailed.exit_code
    return 0 if outcome.conclusion.complete else 1


def _as_json(request: Request) -> BenchmarkOutcome:
    from multiverse.cli.json_events import JsonEvents

    return run_and_finish(request, tell=JsonEvents())


def _on_terminal(request: Request) -> BenchmarkOutcome:
    progress, evaluating = Progress(), Evaluating()
    with ExitStack() as shown:

        def ran(results: Results) -> None:
            shown.close()
            print_summary(results)
            if request.steps.allowed().evaluate:
                shown.enter_context(evaluating)

        shown.enter_context(progress)
        tell = everybody(evaluating.beside(progress), evaluating)
        outcome = run_and_finish(request, tell=tell, ran=ran)
    print_scores(outcome.conclusion.results)
    print_conclusion(outcome.conclusion)
    return outcome


def _check_unused(reading: RegistrationOptions) -> None:
    """Raise :class:`UsageError` where it is said how to read a file, and there is none."""
    said = [name for name in file_entry(Path(), reading) if name != "path"]
    if said:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in said)
        options = options.replace("--modalities", "--modality")
        raise UsageError(
            f"{options}: said when a file is registered, so only together with --input",
            remedy="Register the file again: multiverse register FILE --slug SLUG --replace …",
        )


def _models(names: Sequence[str], parameters: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return models with their ``-p model.name=value``; values are read as YAML reads them."""
    settings: dict[str, dict[str, Any]] = {name: {} for name in names}
    for key, text in pairs(parameters, "--parameter").items():
        model, dot, name = key.partition(".")
        if not dot or model not in settings:
            raise UsageError(
                f"--parameter {key}: write MODEL.NAME=VALUE with one of {', '.join(settings)}"
            )
        settings[model][name] = yaml_value(text, f"--parameter {key}")
    return settings
