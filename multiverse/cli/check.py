"""``multiverse check``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from multiverse.api import check, duration
from multiverse.cli.arguments import yaml_value
from multiverse.cli.pairs import pairs
from multiverse.cli.terminal import console, notes, print_json, safe
from multiverse.conformance import CheckReport, CheckResult, CheckStatus, SuiteOptions
from multiverse.specs import format_seconds

STYLES = {
    CheckStatus.PASSED: "green",
    CheckStatus.FAILED: "bold red",
    CheckStatus.NOTE: "yellow",
    CheckStatus.NOT_APPLICABLE: "dim",
}
WORDS = {
    CheckStatus.PASSED: "passed",
    CheckStatus.FAILED: "TO DO",
    CheckStatus.NOTE: "note",
    CheckStatus.NOT_APPLICABLE: "skipped",
}
NAME_WIDTH = 24


@dataclass(frozen=True)
class CheckArguments:
    """A model, or an image instead; and how to check it."""

    model: str | None
    image: str | None
    model_yaml: Path | None
    models_dirs: tuple[Path, ...]
    engine: str | None
    options: SuiteOptions
    json: bool


def read(given: Namespace) -> CheckArguments:
    """Return the arguments; :class:`UsageError` for a time or a value that is none."""
    parameters = {
        name: yaml_value(text, f"--parameter {name}")
        for name, text in pairs(given.parameter, "--parameter").items()
    }
    return CheckArguments(
        model=given.model,
        image=given.image,
        model_yaml=given.model_yaml,
        models_dirs=tuple(given.models_dir),
        engine=given.engine,
        options=SuiteOptions(
            quick=given.quick,
            only=tuple(given.only),
            parameters=parameters,
            device=given.device,
            time_limit=duration(given.time_limit, "--time-limit"),
            build=not given.no_build,
            output=given.output,
        ),
        json=given.json,
    )


def main(arguments: CheckArguments) -> int:
    """Check a model, telling each result at once; 1 where there is something to do."""
    report = check(
        arguments.model,
        arguments.options,
        image=arguments.image,
        model_yaml=arguments.model_yaml,
        models_dirs=arguments.models_dirs,
        engine=arguments.engine,
        tell=notes(json=arguments.json),
        show=_hidden if arguments.json else _show,
    )
    if arguments.json:
        print_json(report.plain())
    else:
        _summarise(report)
    return 0 if report.passed else 1


def _hidden(_result: CheckResult) -> None:
    """Leave standard output to one JSON document."""


def _show(result: CheckResult) -> None:
    """Print one line for what is well, a block for what is to be done."""
    out = console()
    word = safe(f"{WORDS[result.status]:8}", STYLES[result.status])
    name = safe(
        f"{result.name:{NAME_WIDTH}} ", "bold" if result.status is CheckStatus.FAILED else ""
    )
    out.print(word + name + safe(f"{result.happened} ({format_seconds(result.seconds)})"))
    if result.status not in (CheckStatus.FAILED, CheckStatus.NOTE):
        return
    lines = [("expected", result.expected), ("to do", result.to_do), ("files", result.folder)]
    for label, text in lines:
        if text:
            out.print(safe(f"{'':10}{label}: {text}"))
    if result.status is CheckStatus.FAILED:
        for line in result.log:
            out.print(safe(f"{'':10}log: {line}", "dim"))


def _summarise(report: CheckReport) -> None:
    out = console()
    failed = [result.name for result in report.results if result.status is CheckStatus.FAILED]
    notes, skipped = report.count(CheckStatus.NOTE), report.count(CheckStatus.NOT_APPLICABLE)
    out.print()
    counts = f"{report.count(CheckStatus.PASSED)} passed, {notes} to read, {skipped} skipped"
    if failed:
        out.print(safe(f"{report.model}: {len(failed)} to do: {', '.join(failed)}", "bold red"))
        out.print(safe(f"({counts})"))
    else:
        out.print(safe(f"{report.model}: nothing to do ({counts})", "bold green"))
    out.print(safe(f"checked: {report.software} on {report.engine}"))
