"""Benchmark × datasets × models → jobs. Pure: everything it needs is passed in."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from multiverse.errors import Problem, UsageError
from multiverse.plan.applicable import obstacle
from multiverse.plan.job import Limits, NotPlanned, Plan, PlannedJob, RetryPolicy
from multiverse.plan.settings import resolve
from multiverse.registry.models import unknown_model
from multiverse.specs.benchmark import BenchmarkSource, ModelEntry, ResourceLimits
from multiverse.specs.dataset import DatasetRecord
from multiverse.specs.image_names import full_name
from multiverse.specs.model import ModelSpec

#: About 1 KiB of memory each.
MAX_JOBS = 500_000


@dataclass(frozen=True)
class _Variant:
    """One model with one resolved set of parameters: what is crossed with datasets and seeds."""

    model: ModelSpec
    parameters: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    device: str
    seeds: Sequence[int]
    limits: Limits
    retry: RetryPolicy
    place: tuple[str | int, ...]


@dataclass
class _Expansion:
    source: BenchmarkSource
    models: Mapping[str, ModelSpec]
    known: Collection[str]
    problems: list[Problem] = field(default_factory=list)

    def report(self, message: str, *location: str | int) -> None:
        self.problems.append(self.source.problem(message, *location))


def check(
    source: BenchmarkSource, models: Mapping[str, ModelSpec], known: Collection[str]
) -> list[Problem]:
    """Return everything that is wrong with a benchmark's models, without any dataset.

    Unknown models (``known`` are the names there are), unknown or ill-typed settings, devices
    that a model can't use, and jobs that are listed twice.
    """
    return _checked(source, models, known)[1]


def _checked(
    source: BenchmarkSource, models: Mapping[str, ModelSpec], known: Collection[str]
) -> tuple[list[_Variant], list[Problem]]:
    expansion = _Expansion(source, models, known)
    variants = list(_variants(expansion))
    _check_number(variants)
    _check_duplicates(expansion, variants)
    _check_images(expansion, variants)
    return variants, expansion.problems


def expand(
    source: BenchmarkSource,
    datasets: Sequence[DatasetRecord],
    models: Mapping[str, ModelSpec],
) -> Plan:
    """Return every job of a benchmark, in the order of the file.

    Raises :class:`SpecError` with all problems of :func:`check`, and :class:`UsageError` if no
    model is applicable to any dataset.
    """
    variants, problems = _checked(source, models, models)
    if problems:
        raise source.error(problems)
    _check_distinct(datasets)
    _check_number(variants, len(datasets))
    jobs: list[PlannedJob] = []
    lacking: dict[tuple[str, str], NotPlanned] = {}
    for dataset in datasets:
        for variant in variants:
            reason = obstacle(dataset, variant.model)
            if reason is not None:
                pair = (dataset.slug, variant.model.name)
                lacking[pair] = NotPlanned(*pair, reason)
            else:
                jobs += _jobs(dataset, variant)
    if not jobs:
        reasons = "; ".join(f"{item.model}: {item.reason}" for item in lacking.values())
        raise UsageError(f"no model is applicable: {reasons}")
    return Plan(source.benchmark.name, tuple(jobs), tuple(lacking.values()))


def _check_number(variants: Sequence[_Variant], n_datasets: int = 1) -> None:
    """Check that a plan fits into memory: a few lines can ask for thousands of millions of jobs."""
    count = n_datasets * sum(len(variant.seeds) for variant in variants)
    if count > MAX_JOBS:
        raise UsageError(
            f"these are {count:,} jobs, and one plan has at most {MAX_JOBS:,}",
            remedy="Split the benchmark: several may have the same results folder.",
        )


def _check_distinct(datasets: Sequence[DatasetRecord]) -> None:
    """Check that no two datasets have equal content, which would be the same runs twice."""
    seen: dict[str, str] = {}
    for dataset in datasets:
        other = seen.setdefault(dataset.fingerprint, dataset.slug)
        if other != dataset.slug:
            raise UsageError(
                f"{other} and {dataset.slug} are the same data for a model (fingerprint "
                f"{dataset.fingerprint[:16]})",
                remedy="Leave one of them out.",
            )


def _jobs(dataset: DatasetRecord, variant: _Variant) -> Iterator[PlannedJob]:
    modalities = variant.model.yaml.modalities.usable(tuple(dataset.modalities))
    for seed in variant.seeds:
        yield PlannedJob(
            dataset=dataset,
            model=variant.model,
            parameters=variant.parameters,
            preprocessing=variant.preprocessing,
            modalities=modalities,
            seed=seed,
            device=variant.device,
            limits=variant.limits,
            retry=variant.retry,
        )


def _variants(expansion: _Expansion) -> Iterator[_Variant]:
    benchmark = expansion.source.benchmark
    for index, entry in enumerate(benchmark.models):
        model = expansion.models.get(entry.model)
        place = ("models", index)
        if model is None:
            expansion.report(unknown_model(entry.model, expansion.known), *place, "model")
            continue
        preprocessing, findings = resolve(model, "preprocessing", entry.preprocessing)
        for name, message in findings:
            expansion.report(message, *place, "preprocessing", name)
        device = _device(expansion, entry, model, place)
        for number, given in enumerate(entry.parameters):
            parameters, findings = resolve(model, "parameters", given)
            for name, message in findings:
                expansion.report(message, *place, "parameters", number, name)
            yield _Variant(
                model=model,
                parameters=parameters,
                preprocessing=preprocessing,
                device=device,
                seeds=entry.seeds or benchmark.seeds,
                limits=_limits(model, benchmark.resources, entry.resources),
                retry=_retry(benchmark.resources, entry.resources),
                place=place,
            )


def _device(
    expansion: _Expansion, entry: ModelEntry, model: ModelSpec, place: tuple[str | int, ...]
) -> str:
    device = entry.device or expansion.source.benchmark.device
    need = model.yaml.resources.gpu
    if device != "cpu" and need == "none":
        expansion.report(
            f"{model.name} can't use a GPU; give it `device: cpu`, or leave device {device!r} out",
            *place,
            "device",
        )
    if device == "cpu" and need == "required":
        expansion.report(f"{model.name} needs a GPU: give it `device: cuda`", *place, "device")
    return device


def _limits(model: ModelSpec, *asked: ResourceLimits) -> Limits:
    """Merge model defaults, the benchmark's limits, the entry's: the most particular wins."""
    resources = model.yaml.resources
    given = _most_particular(("cpus", "memory", "time_limit", "disk"), asked)
    defaults = {"cpus": resources.cpus, "memory": resources.memory}
    return Limits(**{**defaults, **given}, asked=frozenset(given))


def _retry(*asked: ResourceLimits) -> RetryPolicy:
    return RetryPolicy(**_most_particular(("retries", "memory_growth", "max_memory"), asked))


def _most_particular(names: Sequence[str], asked: Sequence[ResourceLimits]) -> dict[str, Any]:
    """Return of each name the value that was given last."""
    return {
        name: value
        for limits in asked
        for name in names
        if (value := getattr(limits, name)) is not None
    }


def _check_images(expansion: _Expansion, variants: Sequence[_Variant]) -> None:
    """Check that no two models have the same image: the one that is built last would be both."""
    seen: dict[str, str] = {}
    for variant in variants:
        model = variant.model
        first = seen.setdefault(full_name(model.image_tag), model.name)
        if first != model.name:
            message = f"{model.name} has the same image as {first}, {model.image_tag}"
            expansion.report(message, *variant.place)


def _check_duplicates(expansion: _Expansion, variants: Sequence[_Variant]) -> None:
    """Check that no two jobs are equal: they would be one run, almost surely a slip."""
    seen: set[tuple[str, str, int]] = set()
    for variant in variants:
        settings = json.dumps(
            [
                dict(variant.parameters),
                dict(variant.preprocessing),
                variant.device.partition(":")[0],
            ],
            sort_keys=True,
        )
        for seed in variant.seeds:
            key = (variant.model.name, settings, seed)
            if key in seen:
                expansion.report(
                    f"{variant.model.name} with these parameters and seed {seed} is there already",
                    *variant.place,
                )
            seen.add(key)
