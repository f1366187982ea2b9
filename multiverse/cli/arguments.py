"""Arguments that several commands share, read once into frozen objects.

Each command's module has a dataclass of its arguments and one function, ``read``, that makes it
from what argparse found; nothing else sees a namespace.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiverse.api import Overrides, Steps, amount, room
from multiverse.cli.pairs import layers, pairs, patterns
from multiverse.errors import UsageError
from multiverse.registry import RegistrationOptions
from multiverse.runner import Machine, RunOptions
from multiverse.specs import read_value


@dataclass(frozen=True)
class HowToRun:
    """The arguments of ``run`` and ``demo`` that say how to run, and what follows."""

    engine: str | None
    overrides: Overrides
    options: RunOptions
    steps: Steps
    models_dirs: tuple[Path, ...]
    dry_run: bool
    json: bool


def read_how(given: Namespace) -> HowToRun:
    """Return how jobs are to be run; :class:`UsageError` for an amount that is none."""
    room(given.job_memory, "--job-memory")  # refused by the name that it was given
    resources = {
        "cpus": given.job_cpus,
        "memory": given.job_memory,
        "time_limit": given.time_limit,
        "retries": given.retries,
    }
    seeds = getattr(given, "seeds", None)  # a demo has neither
    return HowToRun(
        engine=given.engine,
        overrides=Overrides(
            seeds=None if seeds is None else tuple(seeds),
            device=getattr(given, "device", None),
            resources={name: value for name, value in resources.items() if value is not None},
        ),
        options=RunOptions(
            parallel=given.jobs,
            machine=Machine(
                cpus=given.cpus,
                memory=room(given.memory, "--memory"),
                gpus=_gpus(given.gpus),
                jobs_per_gpu=given.jobs_per_gpu,
            ),
            build=not given.no_build,
            rerun=given.rerun,
            only_failed=given.only_failed,
            verbose=given.verbose,
            min_free=amount(given.min_free, "--min-free") or 0,
            tags=pairs(given.tag, "--tag"),
        ),
        steps=Steps(
            evaluate=not given.no_evaluate,
            report=not given.no_report,
            tracked=not given.no_mlflow,
            mlflow=given.mlflow or None,
        ),
        models_dirs=tuple(given.models_dir),
        dry_run=given.dry_run,
        json=given.json,
    )


def read_registration(given: Namespace, *, replace: bool) -> RegistrationOptions:
    """Return how a file is to be read."""
    return RegistrationOptions(
        batch_key=given.batch_key,
        label_key=given.label_key,
        unlabelled=tuple(given.unlabelled),
        modality_names=pairs(given.modality, "--modality"),
        layer=layers(given.layer),
        without=tuple(dict.fromkeys(given.without)),
        exclude=patterns(given.exclude),
        match_barcodes=given.match_barcodes,
        intersect=given.intersect,
        mosaic=given.mosaic,
        round=tuple(given.round),
        replace=replace,
    )


def yaml_value(text: str, option: str) -> Any:
    """Return a value as YAML reads it; :class:`UsageError` where it can't."""
    try:
        return read_value(text)
    except ValueError as error:
        raise UsageError(f"{option}: {text!r} is not a value") from error


def _gpus(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return () if text == "none" else tuple(filter(None, text.split(",")))
