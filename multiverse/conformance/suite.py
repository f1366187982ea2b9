"""The suite: which checks there are, and the loop that makes them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multiverse.conformance import data_checks, output_checks, sandbox_checks, settings_checks
from multiverse.conformance.context import Answer, CheckContext, skipped
from multiverse.conformance.report import CheckReport, CheckResult, CheckStatus
from multiverse.conformance.tiny_data import TinyData
from multiverse.conformance.trial import TrialRunner
from multiverse.conformance.values import trial_settings
from multiverse.contract.folders import temporary_root
from multiverse.engines.docker import DockerEngine
from multiverse.engines.protocol import Engine, Runtime
from multiverse.errors import UsageError
from multiverse.events import Tell
from multiverse.plan.settings import resolve
from multiverse.specs.accelerator import model_for
from multiverse.specs.model import ModelSpec

#: Is shown each result at once.
Show = Callable[[CheckResult], None]


@dataclass(frozen=True)
class Check:
    """One check. ``always``: also made when the usual run failed, to find out why."""

    name: str
    make: Callable[[CheckContext], Answer]
    essential: bool = False
    always: bool = False


CHECKS = (
    Check("contract", output_checks.contract, essential=True, always=True),
    Check("labels", sandbox_checks.labels, essential=True, always=True),
    Check("network", sandbox_checks.network, essential=True, always=True),
    Check("read-only root", sandbox_checks.read_only_root, essential=True, always=True),
    Check("volumes", sandbox_checks.volumes),
    Check("files", output_checks.files, essential=True),
    Check("resources", output_checks.resources, essential=True),
    Check("determinism", output_checks.determinism, essential=True),
    Check("seed", output_checks.seed),
    Check("fewer modalities", data_checks.fewer_modalities),
    Check("lacking modality", data_checks.lacking_modality, essential=True),
    Check("extra modality", data_checks.extra_modality),
    Check("no batch column", data_checks.without_batch, essential=True),
    Check("batch of one cell", data_checks.lone_batch),
    Check("empty cells", data_checks.empty_cells, essential=True),
    Check("empty features", data_checks.empty_features),
    Check("three proteins", data_checks.three_proteins),
    Check("few cells", data_checks.few_cells, essential=True),
    Check("odd names", data_checks.odd_names),
    Check("mosaic", data_checks.mosaic, essential=True),
    Check("absent device", settings_checks.absent_device, essential=True),
    Check("any user", sandbox_checks.any_user, essential=True),
    Check("no home", sandbox_checks.no_home),
    Check("request to end", sandbox_checks.request_to_end),
)


@dataclass(frozen=True)
class SuiteOptions:
    """Options of a conformance check.

    ``parameters`` replace defaults in every run (fewer epochs). ``only`` names checks to make.
    ``output`` keeps the runs there; without it they go with the suite. ``time_limit``: seconds of
    one run. ``build``: whether a missing image or environment may be made.
    """

    quick: bool = False
    only: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    time_limit: int = 600
    build: bool = True
    output: Path | None = None


def check_model(
    model: ModelSpec, engine: Engine, options: SuiteOptions, *, tell: Tell, show: Show
) -> CheckReport:
    """Make every check, telling each result at once.

    Raises :class:`UsageError` for settings that the model does not have, and what the engine
    raises before a run can start. What a run does wrong is in the report.
    """
    checks = chosen_checks(model, options)
    parameters, preprocessing = _settings(model, options)
    if model.yaml.resources.gpu == "required" and options.device == "cpu":
        raise UsageError(f"{model.name} needs a GPU", remedy="Check it with --device cuda.")
    engine.check_device(options.device)
    runtime = engine.prepare(model_for(model, options.device), build=options.build, tell=tell)
    with _workplace(options.output) as folder:
        trials = TrialRunner(
            engine,
            runtime,
            folder / "runs",
            time_limit=options.time_limit,
            device=options.device,
        )
        trials.folder.mkdir(parents=True, exist_ok=True)
        context = CheckContext(
            model=model,
            trials=trials,
            data=TinyData(folder / "home"),
            parameters=parameters,
            preprocessing=preprocessing,
            in_container=isinstance(engine, DockerEngine),
        )
        kept = options.output is not None
        results = tuple(_make_all(checks, context, show, kept=kept))
        return _report(context, runtime, engine, results)


def chosen_checks(model: ModelSpec, options: SuiteOptions) -> list[Check]:
    """Return the options' checks, in order; :class:`UsageError` for a name that no check has."""
    settings = [Check(name, make) for name, make in settings_checks.declared(model)]
    every = [*CHECKS, *settings]
    unknown = sorted(set(options.only) - {check.name for check in every})
    if unknown:
        raise UsageError(
            f"there is no check {', '.join(map(repr, unknown))}",
            remedy=f"Choose from: {', '.join(check.name for check in every)}",
        )
    if options.only:
        return [check for check in every if check.name in options.only]
    return [check for check in every if check.essential or not options.quick]


def _settings(
    model: ModelSpec, options: SuiteOptions
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    given = {**trial_settings(model, "parameters"), **options.parameters}
    parameters, findings = resolve(model, "parameters", given)
    prepared = trial_settings(model, "preprocessing")
    preprocessing, more = resolve(model, "preprocessing", prepared)
    if findings or more:
        raise UsageError("; ".join(message for _, message in (*findings, *more)))
    return parameters, preprocessing


@contextmanager
def _workplace(output: Path | None) -> Iterator[Path]:
    if output is not None:
        if output.exists() and any(output.iterdir()):
            raise UsageError(f"{output} is not empty", remedy="Name a new folder with --output.")
        output.mkdir(parents=True, exist_ok=True)
        yield output.resolve()
        return
    with tempfile.TemporaryDirectory(
        prefix="multiverse-check-", dir=temporary_root(), ignore_cleanup_errors=True
    ) as scratch:
        yield Path(scratch)


def _make_all(
    checks: Sequence[Check], context: CheckContext, show: Show, *, kept: bool
) -> Iterator[CheckResult]:
    for check in checks:
        started = time.monotonic()
        if check.always or context.usual.complete:
            answer = check.make(context)
        else:
            answer = skipped("", "not made: the usual run has to complete first")
        result = _result(check, answer, time.monotonic() - started, kept=kept)
        show(result)
        yield result


def _result(check: Check, answer: Answer, seconds: float, *, kept: bool) -> CheckResult:
    outcome = answer.outcome
    wanted = outcome is not None and answer.status in (CheckStatus.FAILED, CheckStatus.NOTE)
    return CheckResult(
        name=check.name,
        status=answer.status,
        expected=answer.expected,
        happened=answer.happened,
        to_do=answer.to_do,
        log=outcome.log if outcome is not None and wanted else (),
        folder=str(outcome.folder) if outcome is not None and wanted and kept else "",
        seconds=round(seconds, 2),
    )


def _report(
    context: CheckContext, runtime: Runtime, engine: Engine, results: tuple[CheckResult, ...]
) -> CheckReport:
    facts, usage = engine.facts(), context.usual.record.usage
    image = runtime.image
    return CheckReport(
        model=context.model.name,
        version=context.model.version,
        software=f"{image.tag} ({image.digest})" if image else f"environment {runtime.digest}",
        engine=f"{facts.name} {facts.version}",
        isolation=facts.isolation,
        results=results,
        resources={
            "wall_seconds": usage.wall_seconds,
            "cpu_seconds": usage.cpu_seconds,
            "peak_memory_bytes": usage.peak_memory_bytes,
            "threads": context.usual.record.threads,
        },
    )
