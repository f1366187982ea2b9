"""From a request to a plan: datasets registered, models found, the engine chosen."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from multiverse.api.datasets import register
from multiverse.api.request import Request
from multiverse.engines.choice import choose_engine
from multiverse.engines.protocol import Engine
from multiverse.errors import DatasetError, Problem
from multiverse.events import Advised, Noted, Tell
from multiverse.plan import Plan, check, expand
from multiverse.registry.datasets import RegisteredDataset, find_dataset
from multiverse.registry.files import slug_of
from multiverse.registry.home import cache
from multiverse.registry.label_advice import label_advice
from multiverse.registry.models import find_models, hidden_models, model_folders
from multiverse.registry.options import RegistrationOptions
from multiverse.runner.options import RunOptions
from multiverse.specs.benchmark import Benchmark, BenchmarkSource, DatasetEntry
from multiverse.specs.dataset import DatasetRecord
from multiverse.specs.model import ModelSpec
from multiverse.specs.names import make_slug

#: What past runs took, in the user's cache.
HISTORY = "history.jsonl"


@dataclass(frozen=True)
class Work:
    """A request after all that can be settled before anything is started."""

    engine: Engine
    datasets: Sequence[RegisteredDataset]
    plan: Plan
    options: RunOptions

    @property
    def reasons(self) -> list[str]:
        """The pairs of dataset and model that are not planned, with the reason."""
        pairs = self.plan.not_applicable
        return [f"{pair.model} on {pair.dataset}: {pair.reason}" for pair in pairs]


def make_plan(request: Request, tell: Tell) -> Work:
    """Check a request, register its files and expand it into jobs; nothing is started.

    Raises :class:`UsageError`, :class:`SpecError`, :class:`DatasetError` or
    :class:`EngineError`.
    """
    request.options.check()
    models = _models(request)
    for sentence in hidden_models(request.models_dirs, models):
        tell(Noted(sentence))
    engine = choose_engine(request.engine, tell)
    datasets = list(request.registered) or _datasets(request.source, tell)
    plan = expand(request.source, [item.record for item in datasets], models)
    for pair in plan.not_applicable:
        tell(Noted(f"not applicable: {pair.model} on {pair.dataset}: {pair.reason}"))
    return Work(engine, datasets, plan, _options(request))


def _options(request: Request) -> RunOptions:
    """Return the options with the tags of the benchmark and the place of the history."""
    options = request.options
    return replace(
        options,
        tags={**request.source.benchmark.tags, **options.tags},
        history=options.history or cache() / HISTORY,
    )


def _models(request: Request) -> dict[str, ModelSpec]:
    """Return the benchmark's models. Raises every problem that can be seen before data are read."""
    source = request.source
    known = model_folders(request.models_dirs)
    named = [entry.model for entry in source.benchmark.models if entry.model in known]
    models = find_models(named, request.models_dirs)
    problems = check(source, models, known)
    if not request.registered:
        problems += _dataset_problems(source)
    if problems:
        raise source.error(problems)
    return models


def _dataset_problems(source: BenchmarkSource) -> list[Problem]:
    problems: list[Problem] = []
    seen: dict[str, DatasetEntry] = {}
    for index, entry in enumerate(source.benchmark.datasets):
        slug = _slug(entry)
        if slug in seen:
            words = _listed_twice(slug, entry, seen[slug])
            problems.append(source.problem(words, "datasets", index))
        seen[slug] = entry
        try:
            if entry.path is None:
                find_dataset(slug)
            for path in _paths(entry):
                if not path.exists():
                    raise DatasetError(f"{path} does not exist")
        except DatasetError as error:
            problems.append(source.problem(str(error), "datasets", index))
    return problems


def _listed_twice(slug: str, entry: DatasetEntry, before: DatasetEntry) -> str:
    """Return what is wrong with two entries of one slug, and a slug that is free."""
    if entry.path is None or entry.path == before.path:
        return f"{slug!r} is listed twice"
    paths = _paths(entry)
    free = make_slug(f"{paths[0].absolute().parent.name}-{slug}")
    if free == slug:
        free = make_slug(f"{slug}-2")
    return (
        f"{slug!r} is the slug of another dataset of this benchmark too, after the names of their "
        f"files: give one of them another, as in slug: {free}"
    )


def _paths(entry: DatasetEntry) -> list[Path]:
    """Return the files of an entry; none of a registered dataset."""
    if entry.path is None:
        return []
    return [entry.path] if isinstance(entry.path, Path) else [*entry.path.values()]


def _slug(entry: DatasetEntry) -> str:
    return entry.slug or (slug_of(entry.path) if entry.path else make_slug(""))


def _datasets(source: BenchmarkSource, tell: Tell) -> list[RegisteredDataset]:
    try:
        return [_dataset(entry, tell) for entry in source.benchmark.datasets]
    except DatasetError as error:
        if not source.is_file or "--" not in (error.remedy or ""):
            raise
        raise DatasetError(
            str(error),
            remedy=f"{error.remedy} (of a dataset in a benchmark file, options are said there and "
            "without dashes, such as match_barcodes: true or without: [adt])",
        ) from error


def _dataset(entry: DatasetEntry, tell: Tell) -> RegisteredDataset:
    if entry.path is None:
        found = find_dataset(str(entry.slug))
        _advise_labels(found.record, tell)
        return found
    options = RegistrationOptions(
        batch_key=entry.batch_key,
        label_key=entry.label_key,
        unlabelled=entry.unlabelled,
        modality_names=entry.modalities,
        layer=entry.layer,
        without=entry.without,
        exclude=entry.exclude,
        match_barcodes=entry.match_barcodes,
        intersect=entry.intersect,
        mosaic=entry.mosaic,
        round=entry.round,
        replace=True,  # a file named in a benchmark may change; the version decides, not the slug
    )
    before = _registered(_slug(entry))
    dataset = register(entry.path, slug=_slug(entry), options=options, tell=tell)
    if before is not None and before.folder != dataset.folder:
        tell(
            Noted(
                f"{dataset.record.slug}: stands for new content, or for other options, from now on"
            )
        )
    for note in dataset.record.notes:
        tell(Noted(f"{dataset.record.slug}: note: {note}"))
    from multiverse.api.inspection import advise_keys  # a registered dataset needs none of it

    for line in advise_keys(dataset, entry.path, options).lines:
        tell(Advised(f"{dataset.record.slug}: {line}"))
    return dataset


def _advise_labels(record: DatasetRecord, tell: Tell) -> None:
    """Tell which columns of a dataset that was registered without labels could be them."""
    if record.label_columns:
        again = f"its file is registered again: multiverse register FILE --slug {record.slug}"
        line = f"{label_advice(record.label_columns)} when {again} --replace"
        tell(Advised(f"{record.slug}: {line}"))


def _registered(slug: str) -> RegisteredDataset | None:
    try:
        return find_dataset(slug)
    except DatasetError:
        return None


def _absolute(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the file of a dataset entry as an absolute one, so that it is found from anywhere."""
    path = entry.get("path")
    if isinstance(path, Mapping):
        return {"path": {name: str(Path(file).resolve()) for name, file in path.items()}}
    return {} if path is None else {"path": str(Path(path).resolve())}


def resolved_yaml(benchmark: Benchmark, datasets: Sequence[RegisteredDataset]) -> str:
    """Return ``benchmark.yaml`` of the results folder: the benchmark with all that was implied."""
    from ruamel.yaml import YAML

    content = benchmark.model_dump(mode="json", exclude_defaults=True, exclude={"output"})
    content["datasets"] = [
        {**entry, "slug": item.record.slug, **_absolute(entry)}
        for item, entry in zip(datasets, content["datasets"], strict=True)
    ]
    stream = io.StringIO()
    stream.write("# The benchmark that was run here. Repeat it: multiverse run benchmark.yaml\n")
    for item in datasets:
        stream.write(f"# {item.record.slug}: {item.record.fingerprint}\n")
        # JSON in ASCII has no line break: a name can't become a line of the file.
        stream.write(f"#   of {json.dumps(item.record.source_name)}")
        stream.write(f", read with {json.dumps(item.record.settings)}\n")
    writer = YAML()  # block style, in the order of the schema
    writer.width = 4096
    writer.dump(content, stream)
    return stream.getvalue()
