"""The command that repeats a results folder, with what it needs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from multiverse.errors import MultiverseError
from multiverse.report.contents import Contents, read_contents
from multiverse.report.words import listed, plain
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.record import RunRecord
from multiverse.specs.benchmark import Benchmark, BenchmarkSource

OUTPUT = "results-again"


def repeat_command(results: ResultsFolder) -> str:
    """The command, for a shell, below comments (``#``) that say what it needs.

    ``benchmark.yaml`` is that of the folder. Where it is missing, one command a model and dataset.
    Raises :class:`ResultsError` if there is no such folder.
    """
    contents = read_contents(results)
    benchmark = _benchmark(results)
    lines = [*_needs(contents)]
    if benchmark is None:
        lines.append("# benchmark.yaml of this folder is missing or damaged; from the records:")
        lines += dict.fromkeys(_short_form(run.record) for run in contents.runs)
    else:
        lines += _beyond(contents, benchmark)
        lines.append("# in this folder:")
        lines.append(_command("benchmark.yaml", *_engine(contents), "--output", OUTPUT))
    return "\n".join(lines) + "\n"


def _benchmark(results: ResultsFolder) -> Benchmark | None:
    try:
        return BenchmarkSource.load(results.benchmark).benchmark
    except (MultiverseError, OSError, ValueError):
        return None


def _needs(contents: Contents) -> Iterator[str]:
    """The program, the data and the images that gave these results."""
    versions = sorted({run.record.versions.get("multiverse", "") for run in contents.runs} - {""})
    if versions:
        yield f"# multiverse {plain(listed(versions))}"
    for name, fingerprint in contents.datasets:
        yield f"# dataset {plain(name, 64)} with the fingerprint {plain(fingerprint, 64)}"
    images = {
        f"{plain(run.record.image.tag)} {plain(run.record.image.digest)}"
        for run in contents.complete
        if run.record.image is not None
    }
    yield from (f"# image {image}" for image in sorted(images))
    locks = {
        f"{run.record.model} {run.record.model_version}: {run.record.environment_lock}"
        for run in contents.complete
        if run.record.environment_lock is not None
    }
    yield from (f"# environment of {plain(lock)}" for lock in sorted(locks))


def _beyond(contents: Contents, benchmark: Benchmark) -> Iterator[str]:
    """Runs of other commands: ``benchmark.yaml`` is that of the last one."""
    models = {entry.model for entry in benchmark.models}
    slugs = {entry.slug for entry in benchmark.datasets}
    named = {f"{run.record.dataset}/{run.record.model}" for run in contents.runs}
    inside = {f"{slug}/{model}" for slug in slugs for model in models}
    if others := sorted(named - inside):
        names = listed(plain(name, 130) for name in others)
        yield f"# not in benchmark.yaml, from earlier commands: {names}"


def _engine(contents: Contents) -> tuple[str, ...]:
    engines = {run.record.engine.name for run in contents.complete}
    return ("--engine", plain(engines.pop(), 64)) if len(engines) == 1 else ()


def _short_form(record: RunRecord) -> str:
    changed = (
        word
        for name, value in record.changed.items()
        for word in ("-p", f"{record.model}.{name}={value}")
    )
    chosen = ("--models", record.model, "--dataset", record.dataset, "--seeds", str(record.seed))
    device = () if record.device == "cpu" else ("--device", record.device)
    return _command(*chosen, *changed, *device, "--engine", record.engine.name, "--output", OUTPUT)


def _command(*words: str) -> str:
    return shlex.join(["multiverse", "run", *(plain(word, 1000) for word in words)])
