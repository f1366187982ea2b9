"""The command that repeats a results folder, with what it needs."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.errors import MultiverseError
from multiverse.report.words import listed, plain
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results
from multiverse.runs.scores import Weights
from multiverse.specs.benchmark import Benchmark, BenchmarkSource

OUTPUT = "results-again"
#: A longer word of a command is no command any more.
MAX_WORD = 1000
#: Settings of the evaluator that the command has an option for.
OPTIONS = {"max_cells": "--max-cells", "replicates": "--replicates"}


def repeat_command(results: Results) -> str:
    """Return the command, for a shell, below comments (``#``) that say what it needs.

    ``benchmark.yaml`` is that of the folder. Where it is missing, one command a model and dataset.
    """
    benchmark = _benchmark(results.paths)
    lines = [*_needs(results)]
    if benchmark is None:
        lines.append("# benchmark.yaml of this folder is missing or damaged; from the records:")
        lines += dict.fromkeys(_short_form(run.record) for run in results.runs)
    else:
        lines += _beyond(results, benchmark)
        lines.append("# in this folder:")
        lines.append(
            _command("run", results.paths.benchmark.name, *_engine(results), "--output", OUTPUT)
        )
    lines += _evaluate(results)
    return "\n".join(lines) + "\n"


def _benchmark(results: ResultsFolder) -> Benchmark | None:
    try:
        return BenchmarkSource.load(results.benchmark).benchmark
    except (MultiverseError, OSError, ValueError):
        return None


def _needs(results: Results) -> Iterator[str]:
    """Yield the program, the data and the images that gave these results."""
    versions = sorted({run.record.versions.get("multiverse", "") for run in results.runs} - {""})
    if versions:
        yield f"# multiverse {plain(listed(versions))}"
    for name, fingerprint in results.datasets:
        yield f"# dataset {plain(name, 64)} with the fingerprint {plain(fingerprint, 64)}"
    images = {
        f"{plain(run.record.image.tag)} {plain(run.record.image.digest)}"
        for run in results.complete
        if run.record.image is not None
    }
    yield from (f"# image {image}" for image in sorted(images))
    locks = {
        f"{run.record.model} {run.record.model_version}: {run.record.environment_lock}"
        for run in results.complete
        if run.record.environment_lock is not None
    }
    yield from (f"# environment of {plain(lock)}" for lock in sorted(locks))


def _beyond(results: Results, benchmark: Benchmark) -> Iterator[str]:
    """Yield runs of other commands: ``benchmark.yaml`` is that of the last one."""
    models = {entry.model for entry in benchmark.models}
    slugs = {entry.slug for entry in benchmark.datasets}
    named = {f"{run.record.dataset}/{run.record.model}" for run in results.runs}
    inside = {f"{slug}/{model}" for slug in slugs for model in models}
    if others := sorted(named - inside):
        names = listed(plain(name, 130) for name in others)
        yield f"# not in benchmark.yaml, from earlier commands: {names}"


def _engine(results: Results) -> tuple[str, ...]:
    engines = {run.record.engine.name for run in results.complete}
    return ("--engine", plain(engines.pop(), 64)) if len(engines) == 1 else ()


def _evaluate(results: Results) -> Iterator[str]:
    """Yield the command that scores with these settings, if not those that a run ends with."""
    chosen: dict[tuple[str, ...], list[str]] = {}
    for scored in results.evaluations:
        differing = _differing(scored.evaluation.evaluator.settings)
        words = [
            word for name, option in OPTIONS.items() if name in differing
            for word in (option, str(differing[name]))
        ]  # fmt: skip
        words += _weights(scored.evaluation.weights)
        chosen.setdefault(tuple(words), []).append(scored.dataset)
        for name in differing.keys() - OPTIONS.keys():
            yield (
                f"# {plain(scored.dataset, 64)} was scored with {name}={plain(differing[name], 60)}"
                ", for which there is no option"
            )
    for options, datasets in chosen.items():
        if options:
            only = ("--datasets", *dict.fromkeys(datasets)) if len(chosen) > 1 else ()
            yield _command("evaluate", OUTPUT, *options, *_engine(results), *only)


def _weights(weights: Weights) -> tuple[str, ...]:
    """Return the option for weights of means that are not the usual ones."""
    if weights == Weights():
        return ()
    given = {"bio": weights.bio, "batch": weights.batch, **weights.metrics}
    return ("--weights", *(f"{name}={value:g}" for name, value in given.items()))


def _differing(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evaluator's settings that are not at their defaults."""
    defaults = EvaluationSettings().model_dump(mode="json")
    return {
        name: settings[name]
        for name, default in defaults.items()
        if name in settings and settings[name] != default
    }


def _short_form(record: RunRecord) -> str:
    changed = (
        word
        for name, value in record.changed.items()
        for word in ("-p", f"{record.model}.{name}={_yaml(value)}")
    )
    chosen = ("--models", record.model, "--dataset", record.dataset, "--seeds", str(record.seed))
    device = () if record.device == "cpu" else ("--device", record.device)
    engine = ("--engine", record.engine.name)
    return _command("run", *chosen, *changed, *device, *engine, "--output", OUTPUT)


def _yaml(value: object) -> str:
    """Return a parameter's value on one line, as the command reads it: None is ``null``."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    yaml.allow_unicode = False
    yaml.width = MAX_WORD
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue().removesuffix("...\n").rstrip("\n")


def _command(*words: str) -> str:
    return shlex.join(["multiverse", *map(_word, words)])


def _word(word: str) -> str:
    """Return a word with its blanks: they are part of a value."""
    harmless = len(word) <= MAX_WORD and word.isascii() and word.isprintable()
    return word if harmless else plain(word, MAX_WORD)
