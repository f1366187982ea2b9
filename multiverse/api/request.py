"""A request: what is to be run, where its results go, and how."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multiverse.engines.choice import AUTO
from multiverse.engines.choice import named_engine as named_engine
from multiverse.errors import UsageError
from multiverse.registry.datasets import RegisteredDataset
from multiverse.registry.options import RegistrationOptions
from multiverse.runner.options import RunOptions
from multiverse.specs.benchmark import BenchmarkSource
from multiverse.specs.quantity import parse_bytes, parse_room, parse_seconds

#: One folder, or several.
Folders = str | Path | Sequence[str | Path]
DEFAULT_OUTPUT = Path("results")
#: Each switches one of the steps off, for all commands and for Python.
NO_EVALUATE, NO_REPORT, NO_MLFLOW = (
    f"MULTIVERSE_NO_{name}" for name in ("EVALUATE", "REPORT", "MLFLOW")
)


@dataclass(frozen=True)
class Steps:
    """The steps that follow the runs.

    ``tracked``: whether runs are copied to MLflow at all; ``mlflow``: its address, None for the
    default place, if there is one.
    """

    evaluate: bool = True
    report: bool = True
    tracked: bool = True
    mlflow: str | None = None

    def allowed(self, environment: Mapping[str, str] = os.environ) -> Steps:
        """Return these steps but those that the environment switches off."""
        return Steps(
            evaluate=self.evaluate and not environment.get(NO_EVALUATE),
            report=self.report and not environment.get(NO_REPORT),
            tracked=self.tracked and (self.mlflow is not None or not environment.get(NO_MLFLOW)),
            mlflow=self.mlflow,
        )


@dataclass(frozen=True)
class Overrides:
    """Settings asked of every job, before those of a benchmark file."""

    seeds: tuple[int, ...] | None = None
    device: str | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """Return what is given, as a benchmark has it."""
        given = {"seeds": None if self.seeds is None else [*self.seeds], "device": self.device}
        said = {name: value for name, value in given.items() if value is not None}
        return {**said, "resources": dict(self.resources)}


@dataclass(frozen=True)
class Request:
    """A benchmark, where its results go, how it is run, and what follows.

    ``registered``: the datasets, where they are no files and no slugs but objects in memory.
    """

    source: BenchmarkSource
    output: Path
    engine: str = AUTO
    options: RunOptions = field(default_factory=RunOptions)
    steps: Steps = field(default_factory=Steps)
    models_dirs: Sequence[Path] = ()
    registered: Sequence[RegisteredDataset] = ()


def read_benchmark(path: Path, overrides: Overrides) -> BenchmarkSource:
    """Return the benchmark of a file; what is given besides takes the place of what it says.

    Raises :class:`SpecError` with every problem of the file.
    """
    source = BenchmarkSource.load(path)
    given = BenchmarkSource.of(
        {"datasets": ["any"], "models": ["any"], **overrides.content()}
    ).benchmark
    return source.updated(
        {name: getattr(given, name) for name in given.model_fields_set & {"seeds", "device"}},
        given.resources,
    )


def short_benchmark(
    models: Mapping[str, Mapping[str, Any]], dataset: Mapping[str, Any], overrides: Overrides
) -> BenchmarkSource:
    """Return the benchmark of some models (name → parameters) on one dataset entry.

    Raises :class:`SpecError` where it is none.
    """
    entries = [{"model": name, "parameters": dict(given)} for name, given in models.items()]
    return BenchmarkSource.of({"datasets": [dataset], "models": entries, **overrides.content()})


def file_entry(
    files: Path | Mapping[str, Path], options: RegistrationOptions, slug: str | None = None
) -> dict[str, Any]:
    """Return the dataset entry of a file, or of one a modality, registered on the way."""
    path = (
        str(files)
        if isinstance(files, Path)
        else {modality: str(file) for modality, file in files.items()}
    )
    return {"path": path, **({"slug": slug} if slug else {}), **options.settings()}


def output_of(source: BenchmarkSource, chosen: Path | None) -> Path:
    """Return where results go: as chosen, as the benchmark says, or ``results``."""
    return chosen or source.benchmark.output or DEFAULT_OUTPUT


def several(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return one name, or several, as a tuple: the letters of one are no names."""
    return (given,) if isinstance(given, str) else tuple(given)


def folders(given: Folders) -> tuple[Path, ...]:
    """Return one folder, or several, as a tuple of paths."""
    return (Path(given),) if isinstance(given, str | Path) else tuple(map(Path, given))


def amount(given: str | int | None, name: str) -> int | None:
    """Return the bytes of an amount such as ``64GiB``; None for nothing and for 0.

    Raises :class:`UsageError` that names it by ``name``.
    """
    return _amount(parse_bytes, given, name)


def room(given: str | int | None, name: str) -> int | None:
    """Return the bytes of memory as :func:`amount`, but not fewer than a job can use."""
    return _amount(parse_room, given, name)


def _amount(parse: Callable[[Any], int], given: str | int | None, name: str) -> int | None:
    if given in (None, 0, "0"):
        return None
    try:
        return parse(given)
    except ValueError as error:
        raise UsageError(f"{name} {error}") from error


def duration(given: str | int, name: str) -> int:
    """Return the seconds of a time such as ``2h``; :class:`UsageError` names it by ``name``."""
    try:
        return parse_seconds(given)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error
