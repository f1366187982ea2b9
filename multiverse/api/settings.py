"""The settings of :func:`multiverse.run`, and the request that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from multiverse.api.datasets import Data, files_of, register
from multiverse.api.reading import check_known, one_name, registration_options
from multiverse.api.request import (
    Folders,
    Overrides,
    Request,
    Steps,
    amount,
    file_entry,
    folders,
    room,
    several,
    short_benchmark,
)
from multiverse.engines.choice import named_engine
from multiverse.errors import UsageError
from multiverse.events import Tell
from multiverse.registry.datasets import RegisteredDataset, find_dataset
from multiverse.registry.files import check_files
from multiverse.registry.options import RegistrationOptions
from multiverse.runner.capacity import Machine
from multiverse.runner.options import MIN_FREE, RunOptions
from multiverse.specs.benchmark import DatasetEntry

#: Settings that say how a dataset is read → the fields of its registration.
_READ = {
    **{
        name: name
        for name in (
            "batch_key", "label_key", "unlabelled", "layer", "without", "exclude",
            "match_barcodes", "intersect", "mosaic", "round",
        )
    },
    "modalities": "modality_names",
}  # fmt: skip


class RunKeywords(TypedDict, total=False):
    """The settings of :func:`multiverse.run`, each with the meaning of the command's option.

    Parameters
    ----------
    parameters
        Model name → parameters that differ from the defaults.
    seeds, device
        One run for each seed (0 if not given); ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    engine
        ``"auto"``, ``"docker"``, ``"local"`` or a registered one; by default that of
        ``MULTIVERSE_ENGINE``.
    resources
        ``cpus``, ``memory`` (``"8GiB"``), ``time_limit`` (``"2h"``), ``disk``, ``retries``,
        ``memory_growth``, ``max_memory`` of one job.
    jobs, cpus, memory, gpus, jobs_per_gpu
        Of all jobs together: how many at a time, CPU cores, memory (``"16GiB"``), ids of GPUs
        and how many jobs share one; None is as many as there is room for, and what the machine
        has.
    min_free
        Start nothing when the disk of the results has less (``"1GiB"``).
    slug, name
        Name of the dataset, if it is registered on the way, as either of the two. An object in
        memory needs one.
    batch_key, label_key, unlabelled, modalities, layer, without, exclude, intersect, mosaic
        and ``match_barcodes``, ``round``: how the dataset is to be read
        (:class:`~multiverse.registry.options.RegistrationOptions`).
    build, rerun, only_failed, verbose
        Build a missing image; run again what is complete; run only jobs whose last attempt
        failed; tell what the models print.
    tags
        Recorded with every run.
    models_dirs
        Folders of models beside the built-in ones.
    evaluate, report, mlflow
        Score what is new, write the report, and copy finished runs to MLflow: at this address, at
        the default one (None), or not at all (False).
    """

    parameters: Mapping[str, Mapping[str, Any]] | None
    seeds: Sequence[int]
    device: str
    engine: str | None
    resources: Mapping[str, Any] | None
    jobs: int | None
    cpus: float | None
    memory: str | int | None
    gpus: Sequence[str] | None
    jobs_per_gpu: int
    min_free: str | int
    slug: str | None
    name: str | None
    batch_key: str | None
    label_key: str | None
    unlabelled: Sequence[str]
    modalities: Mapping[str, str] | None
    layer: str | Mapping[str, str] | None
    without: str | Sequence[str]
    exclude: Mapping[str, str | Sequence[str]]
    match_barcodes: bool
    intersect: bool
    mosaic: bool
    round: bool | str | Sequence[str]
    build: bool
    rerun: bool
    only_failed: bool
    verbose: bool
    tags: Mapping[str, str] | None
    models_dirs: Folders
    evaluate: bool
    report: bool
    mlflow: str | bool | None


def request_of(
    models: str | Sequence[str],
    dataset: Data | None,
    output: str | Path,
    settings: RunKeywords,
    tell: Tell,
) -> Request:
    """Return the request that :func:`multiverse.run` is asked for.

    Raises :class:`UsageError` for a setting that is none or makes no sense, and
    :class:`DatasetError`.
    """
    check_known(settings, RunKeywords.__annotations__)
    names = [models] if isinstance(models, str) else list(models)
    parameters = settings.get("parameters") or {}
    unused = sorted(set(parameters) - set(names))
    if unused:
        raise UsageError(f"parameters are given for {', '.join(unused)}, which is not to be run")
    options = _options(settings)
    entry, registered = _dataset(dataset, settings, tell)
    overrides = Overrides(
        seeds=tuple(settings["seeds"]) if "seeds" in settings else None,
        device=settings.get("device"),
        resources=settings.get("resources") or {},
    )
    source = short_benchmark({name: parameters.get(name, {}) for name in names}, entry, overrides)
    return Request(
        source=source,
        output=Path(output),
        engine=named_engine(settings.get("engine")),
        options=options,
        steps=_steps(settings),
        models_dirs=folders(settings.get("models_dirs", ())),
        registered=registered,
    )


def _options(settings: RunKeywords) -> RunOptions:
    gpus = settings.get("gpus")
    options = RunOptions(
        parallel=settings.get("jobs"),
        machine=Machine(
            cpus=settings.get("cpus"),
            memory=room(settings.get("memory"), "memory"),
            gpus=None if gpus is None else several(gpus),
            jobs_per_gpu=settings.get("jobs_per_gpu", 1),
        ),
        build=settings.get("build", True),
        rerun=settings.get("rerun", False),
        only_failed=settings.get("only_failed", False),
        verbose=settings.get("verbose", False),
        min_free=amount(settings.get("min_free", MIN_FREE), "min_free") or 0,
        tags={str(name): str(value) for name, value in (settings.get("tags") or {}).items()},
    )
    options.check()
    return options


def _steps(settings: RunKeywords) -> Steps:
    address = settings.get("mlflow")
    return Steps(
        evaluate=settings.get("evaluate", True),
        report=settings.get("report", True),
        tracked=address is not False,
        mlflow=address if isinstance(address, str) else None,
    )


def _dataset(
    dataset: Any, settings: RunKeywords, tell: Tell
) -> tuple[Mapping[str, Any], list[RegisteredDataset]]:
    """Return the entry of a dataset, and the dataset itself where it is registered already."""
    if dataset is None:
        raise UsageError("name a dataset: a file, an AnnData or MuData, or a registered slug")
    slug = one_name(settings.get("slug"), settings.get("name"))
    given = {
        field: settings[name]  # type: ignore[literal-required]
        for name, field in _READ.items()
        if name in settings
    }
    # a file or an object may change; the version decides, not the slug
    options = replace(registration_options(None, given), replace=True)
    if isinstance(dataset, str) and DatasetEntry.is_slug(dataset):
        if slug or options != RegistrationOptions(replace=True):
            raise UsageError(
                f"{dataset} is registered already: how it is read and its slug are said when a "
                "dataset is registered",
                remedy="multiverse.register(file, slug=…, batch_key=…, label_key=…)",
            )
        return {"slug": dataset}, [find_dataset(dataset)]
    files = files_of(dataset)
    if files is not None:
        from multiverse.registry.source import check_source

        check_files(files)
        for path in [files] if isinstance(files, Path) else files.values():
            check_source(path)
        return file_entry(files, options, slug), []
    registered = register(dataset, slug=slug, options=options, tell=tell)
    return {"slug": registered.record.slug}, [registered]
