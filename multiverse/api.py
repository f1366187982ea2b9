"""The library behind the commands: what ``import multiverse`` offers.

May import every room but ``cli``. Each command of the CLI calls one function of this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiverse.contract.evaluation import EvaluationSettings
from multiverse.engines.choice import AUTO, choose_engine
from multiverse.engines.protocol import Engine, Say
from multiverse.errors import Cancelled, DatasetError, JobsFailed, Problem, ResultsError, UsageError
from multiverse.plan import Plan, check, expand
from multiverse.registry.datasets import RegisteredDataset, find_dataset
from multiverse.registry.home import cache
from multiverse.registry.models import find_models, model_folders
from multiverse.registry.options import RegistrationOptions
from multiverse.report.write import write_report
from multiverse.runner.capacity import Machine
from multiverse.runner.events import Listener, SilentListener
from multiverse.runner.execute import RunOptions, execute
from multiverse.runner.preview import Preview, preview
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.record import RunState
from multiverse.runs.results import Results
from multiverse.scoring.evaluate import evaluate_results
from multiverse.scoring.outcome import ScoringOptions
from multiverse.specs.benchmark import Benchmark, BenchmarkSource, DatasetEntry
from multiverse.specs.model import ModelSpec
from multiverse.specs.names import make_slug
from multiverse.specs.quantity import parse_bytes

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

__all__ = [
    "Request",
    "Results",
    "evaluate",
    "open_results",
    "preview_benchmark",
    "register",
    "run",
    "run_benchmark",
]
#: What past runs took, in the user's cache.
HISTORY = "history.jsonl"


def _silent(_line: str) -> None:
    """Progress of a library call is nobody's business unless asked for."""


@dataclass(frozen=True)
class Request:
    """A benchmark, where its results go and how it is run."""

    source: BenchmarkSource
    output: Path
    engine: str = AUTO
    options: RunOptions = field(default_factory=RunOptions)
    models_dirs: Sequence[Path] = ()
    registered: Sequence[RegisteredDataset] = ()


def run_benchmark(
    request: Request, *, listener: Listener | None = None, say: Say = _silent
) -> Results:
    """Register, plan, choose an engine, prepare the models, run, and collect.

    Raises :class:`SpecError`, :class:`DatasetError`, :class:`EngineError` or
    :class:`ResultsError` before anything is started; :class:`JobsFailed` is *not* raised here:
    ask the results. :class:`Cancelled` after an orderly stop.
    """
    work = _planned(request, say)
    results = ResultsFolder(request.output)
    outcome = execute(
        work.plan,
        {item.record.slug: item.data for item in work.datasets},
        work.engine,
        results,
        resolved=resolved_yaml(request.source.benchmark, work.datasets),
        options=_with_history(request.options),
        listener=listener or SilentListener(),
        say=say,
    )
    if outcome.error is not None:
        raise outcome.error
    if outcome.cancelled:
        raise Cancelled(
            f"stopped on request: {outcome.count(RunState.COMPLETE)} of {len(work.plan.jobs)} jobs "
            f"are complete, {outcome.count(RunState.CANCELLED)} were stopped while they ran",
            remedy="Run the same command again: complete runs are not repeated.",
        )
    if outcome.not_started:
        raise ResultsError(
            f"{outcome.not_started} of {len(work.plan.jobs)} jobs were never started"
        )
    assert outcome.results is not None  # noqa: S101 - it ended
    return outcome.results.only(outcome.runs, _reasons(work.plan))


def preview_benchmark(request: Request, *, say: Say = _silent) -> list[Preview]:
    """What :func:`run_benchmark` would do with each job, and why. Nothing is built or started.

    A dataset that is given as a file is registered, because only its content tells what is done.
    """
    work = _planned(request, say)
    options = _with_history(request.options)
    return preview(work.plan, work.engine, ResultsFolder(request.output), options, say)


@dataclass(frozen=True)
class _Work:
    """A request after all that can be settled before anything is started."""

    engine: Engine
    datasets: Sequence[RegisteredDataset]
    plan: Plan


def _planned(request: Request, say: Say) -> _Work:
    request.options.check()
    models = _models(request)
    engine = choose_engine(request.engine, say)
    datasets = list(request.registered) or _datasets(request.source.benchmark, say)
    plan = expand(request.source, [item.record for item in datasets], models)
    for pair in plan.not_applicable:
        say(f"not applicable: {pair.model} on {pair.dataset}: {pair.reason}")
    return _Work(engine, datasets, plan)


def _with_history(options: RunOptions) -> RunOptions:
    return options if options.history else replace(options, history=cache() / HISTORY)


def _reasons(plan: Plan) -> list[str]:
    return [f"{pair.model} on {pair.dataset}: {pair.reason}" for pair in plan.not_applicable]


def _models(request: Request) -> dict[str, ModelSpec]:
    """The benchmark's models. Every problem that can be seen before data are read is raised."""
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
    seen: set[str] = set()
    for index, entry in enumerate(source.benchmark.datasets):
        slug = _slug(entry)
        if slug in seen:
            problems.append(source.problem(f"{slug!r} is listed twice", "datasets", index))
        seen.add(slug)
        try:
            if entry.path is None:
                find_dataset(slug)
            elif not entry.path.exists():
                raise DatasetError(f"{entry.path} does not exist")
        except DatasetError as error:
            problems.append(source.problem(str(error), "datasets", index))
    return problems


def _slug(entry: DatasetEntry) -> str:
    return entry.slug or make_slug(entry.path.stem if entry.path else "")


def _datasets(benchmark: Benchmark, say: Say) -> list[RegisteredDataset]:
    return [_dataset(entry, say) for entry in benchmark.datasets]


def _dataset(entry: DatasetEntry, say: Say) -> RegisteredDataset:
    if entry.path is None:
        return find_dataset(str(entry.slug))
    options = RegistrationOptions(
        batch_key=entry.batch_key,
        label_key=entry.label_key,
        unlabelled=entry.unlabelled,
        modality_names=entry.modalities,
        layer=entry.layer,
        intersect=entry.intersect,
        mosaic=entry.mosaic,
        replace=True,  # a file named in a benchmark may change; the version decides, not the slug
    )
    before = _registered(_slug(entry))
    dataset = register(entry.path, slug=_slug(entry), options=options, say=say)
    if before is not None and before.folder != dataset.folder:
        say(f"{dataset.record.slug}: stands for new content, or for other options, from now on")
    for note in dataset.record.notes:
        say(f"{dataset.record.slug}: note: {note}")
    return dataset


def _registered(slug: str) -> RegisteredDataset | None:
    try:
        return find_dataset(slug)
    except DatasetError:
        return None


def register(
    data: str | Path | AnnData | MuData,
    *,
    slug: str | None = None,
    options: RegistrationOptions | None = None,
    say: Say = _silent,
    **settings: Any,
) -> RegisteredDataset:
    """Make a dataset canonical: verified raw counts, aligned cells, labels set apart.

    Parameters
    ----------
    data
        An ``.h5ad`` or ``.h5mu`` file, or an object in memory.
    slug
        Its name from now on; made from the file's name if not given.
    options, settings
        :class:`~multiverse.registry.options.RegistrationOptions`, whole or by its fields
        (``batch_key``, ``label_key``, ``modality_names``, ``layer``, ``intersect``,
        ``mosaic``, …).

    Raises
    ------
    DatasetError
        If it can't be made canonical without inventing something.
    """
    if options is not None and settings:
        raise UsageError("give either options or single settings, not both")
    chosen = options or RegistrationOptions(**settings)
    if isinstance(data, str | Path):
        from multiverse.registry.registration import register as register_file

        return register_file(Path(data), slug=slug, options=chosen, say=say)
    from multiverse.registry.objects import register_object

    return register_object(data, slug=slug or "dataset", options=chosen, say=say)


def run(
    models: str | Sequence[str],
    dataset: str | Path | AnnData | MuData | None = None,
    output: str | Path = "results",
    *,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    seeds: Sequence[int] = (0,),
    device: str = "cpu",
    engine: str = AUTO,
    jobs: int | None = None,
    cpus: float | None = None,
    memory: str | int | None = None,
    gpus: Sequence[str] | None = None,
    resources: Mapping[str, Any] | None = None,
    batch_key: str | None = None,
    label_key: str | None = None,
    slug: str | None = None,
    build: bool = True,
    rerun: bool = False,
    only_failed: bool = False,
    tags: Mapping[str, str] | None = None,
    models_dirs: Sequence[str | Path] = (),
    raise_on_failure: bool = True,
    listener: Listener | None = None,
    say: Say = _silent,
) -> Results:
    """Run models on one dataset; embeddings come back in the order of your own cells.

    Parameters
    ----------
    models
        Names of models, or one name.
    dataset
        A file, an object in memory, or the slug of a registered dataset.
    parameters
        Model name → parameters that differ from the defaults.
    jobs, cpus, memory, gpus
        Of all jobs together: how many at a time, CPU cores, memory (``"16GiB"``), ids of GPUs;
        None is as many as there is room for, and what the machine has.
    resources
        ``cpus``, ``memory`` (``"8GiB"``), ``time_limit`` (``"2h"``), ``disk``, ``retries``,
        ``memory_growth``, ``max_memory`` of one job.
    raise_on_failure
        Raise :class:`JobsFailed` if a job failed. The others are complete all the same.

    Examples
    --------
    >>> import multiverse
    >>> results = multiverse.run(["pca", "mofa"], "data.h5mu", "results")  # doctest: +SKIP
    >>> results["mofa"].embedding().shape  # doctest: +SKIP
    (2872, 15)
    """
    names = [models] if isinstance(models, str) else list(models)
    settings = parameters or {}
    machine = _machine(cpus, memory, gpus)
    registered = _given_dataset(dataset, slug, batch_key, label_key, say)
    source = BenchmarkSource.of(
        {
            "datasets": [registered.record.slug],
            "models": [
                {"model": name, "parameters": dict(settings.get(name, {}))} for name in names
            ],
            "seeds": list(seeds),
            "device": device,
            "resources": dict(resources or {}),
        }
    )
    _check_names(settings, names)
    request = Request(
        source=source,
        output=Path(output),
        engine=engine,
        options=RunOptions(
            parallel=jobs,
            machine=machine,
            build=build,
            rerun=rerun,
            only_failed=only_failed,
            tags=dict(tags or {}),
        ),
        models_dirs=[Path(folder) for folder in models_dirs],
        registered=[registered],
    )
    results = run_benchmark(request, listener=listener, say=say)
    if raise_on_failure:
        raise_failures(results)
    return results


def evaluate(
    folder: str | Path,
    *,
    engine: str = AUTO,
    again: bool = False,
    report: bool = True,
    settings: Mapping[str, Any] | None = None,
    say: Say = _silent,
) -> Results:
    """Score every complete run that has no scores yet; ask the results for them.

    Parameters
    ----------
    folder
        A results folder.
    again
        Score everything, whatever is there.
    report
        Write ``report.html``, ``scores.csv`` and the research object as well.
    settings
        Of the evaluator (:class:`multiverse.contract.evaluation.EvaluationSettings`), by name;
        None are those that the folder was scored with before, or the defaults.

    Raises
    ------
    ResultsError, EngineError
        Where nothing can be scored. What concerns one dataset alone is said, and the others are
        scored.

    Examples
    --------
    >>> import multiverse
    >>> results = multiverse.evaluate("results")  # doctest: +SKIP
    >>> results.scores().query("metric == 'total'")  # doctest: +SKIP
    """
    results = Results.open(folder)
    chosen = None if settings is None else EvaluationSettings(**dict(settings))
    options = ScoringOptions(settings=chosen, again=again)
    evaluate_results(results, choose_engine(engine, say), options, say=say)
    results = results.refresh()
    if report:
        write_report(results, say=say)
    return results


def open_results(folder: str | Path) -> Results:
    """Read the runs of an existing results folder; :class:`ResultsError` if there is none."""
    return Results.open(folder)


def _machine(cpus: float | None, memory: str | int | None, gpus: Sequence[str] | None) -> Machine:
    try:
        n_bytes = None if memory is None else parse_bytes(memory)
    except ValueError as error:
        raise UsageError(f"memory: {error}") from error
    machine = Machine(cpus, n_bytes, None if gpus is None else tuple(gpus))
    machine.check()
    return machine


def _check_names(settings: Mapping[str, Any], names: Sequence[str]) -> None:
    unused = sorted(set(settings) - set(names))
    if unused:
        raise UsageError(f"parameters are given for {', '.join(unused)}, which is not to be run")


def _given_dataset(
    dataset: Any, slug: str | None, batch_key: str | None, label_key: str | None, say: Say
) -> RegisteredDataset:
    if dataset is None:
        raise UsageError("name a dataset: a file, an AnnData or MuData, or a registered slug")
    is_slug = isinstance(dataset, str) and DatasetEntry.is_slug(dataset)
    if is_slug:
        if batch_key or label_key or slug:
            raise UsageError(
                f"{dataset} is registered already: batch_key, label_key and slug are said when a "
                "dataset is registered",
                remedy="multiverse.register(file, slug=…, batch_key=…, label_key=…)",
            )
        return find_dataset(dataset)
    options = RegistrationOptions(batch_key=batch_key, label_key=label_key, replace=True)
    return register(dataset, slug=slug, options=options, say=say)


def raise_failures(results: Results) -> None:
    """Raise :class:`JobsFailed`, naming every job that failed and why."""
    if results.failed:
        lines = [
            f"{run.record.dataset}/{run.record.model} seed {run.record.seed}: {run.record.message}"
            for run in results.failed
        ]
        raise JobsFailed(
            f"{len(lines)} of {len(results)} jobs failed\n" + "\n".join(lines),
            remedy=f"Logs are kept under {results.folder / 'attempts'}.",
        )


def _absolute(entry: Mapping[str, Any]) -> dict[str, str]:
    """The file of a dataset entry, so that it is found from anywhere."""
    return {"path": str(Path(entry["path"]).resolve())} if "path" in entry else {}


def resolved_yaml(benchmark: Benchmark, datasets: Sequence[RegisteredDataset]) -> str:
    """``benchmark.yaml`` of the results folder: the benchmark with all that was implied."""
    import io

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
    writer = YAML()  # block style, in the order of the schema
    writer.width = 4096
    writer.dump(content, stream)
    return stream.getvalue()
