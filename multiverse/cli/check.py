"""``multiverse check``."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Any

from multiverse.cli.terminal import console, print_json, safe, say, show_notes
from multiverse.conformance import (
    CheckReport,
    CheckResult,
    CheckStatus,
    SuiteOptions,
    check_model,
    find_target,
)
from multiverse.engines.choice import choose_engine
from multiverse.errors import UsageError
from multiverse.events import silent
from multiverse.specs.quantity import format_seconds

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


def main(arguments: Namespace) -> int:
    from multiverse.cli.run import duration

    model = find_target(
        arguments.model,
        image=arguments.image,
        model_yaml=arguments.model_yaml,
        models_dirs=arguments.models_dir,
    )
    options = SuiteOptions(
        quick=arguments.quick,
        only=arguments.only,
        parameters=_parameters(arguments.parameter),
        device=arguments.device,
        time_limit=duration(arguments.time_limit, "--time-limit"),
        build=not arguments.no_build and not arguments.image,
        output=arguments.output,
    )
    tell = silent if arguments.json else show_notes
    wanted = "docker" if arguments.image else _engine(arguments)
    engine = choose_engine(wanted, tell)
    if not arguments.json:
        say(f"checking {model.name} {model.version} on tiny and on hostile data")
    report = check_model(
        model, engine, options, tell=tell, show=_hidden if arguments.json else _show
    )
    if arguments.json:
        print_json(report.plain())
    else:
        _summarise(report)
    return 0 if report.passed else 1


def _engine(arguments: Namespace) -> str:
    return str(arguments.engine or os.environ.get("MULTIVERSE_ENGINE") or "auto")


def _hidden(_result: CheckResult) -> None:
    """Leave standard output to one JSON document."""


def _parameters(items: list[str]) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from multiverse.cli.run import pairs

    found = {}
    for name, text in pairs(items, "--parameter").items():
        try:
            found[name] = YAML(typ="safe", pure=True).load(text)
        except YAMLError as error:
            raise UsageError(f"--parameter {name}: {text!r} is not a value") from error
    return found


def _show(result: CheckResult) -> None:
    """One line for what is well, a block for what is to be done."""
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
