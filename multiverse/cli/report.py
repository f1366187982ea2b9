"""``multiverse report``."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from multiverse.api import report
from multiverse.cli.terminal import console, print_error, print_json, safe
from multiverse.errors import ResultsError
from multiverse.report import WrittenReport
from multiverse.specs import format_bytes


@dataclass(frozen=True)
class ReportArguments:
    """The results folder, what is written besides the page, and where the page goes."""

    results: Path
    figures: bool
    output: Path | None
    json: bool


def read(given: Namespace) -> ReportArguments:
    """Return the arguments."""
    return ReportArguments(given.results, given.figures, given.output, given.json)


def main(arguments: ReportArguments) -> int:
    """Write the report, and say what was written, what was not and what is damaged."""
    done = report(arguments.results, figures=arguments.figures, output=arguments.output)
    if arguments.json:
        print_json({**_plain(arguments.results, done.report), "damaged": list(done.damaged)})
    else:
        _print(done.report)
        if done.damaged:
            _print_damaged(arguments.results, done.damaged)
    return done.report.exit_code or (ResultsError.exit_code if done.damaged else 0)


def _print(report: WrittenReport) -> None:
    out = console()
    for path in report.written:
        out.print(safe(path) + safe(f"  {format_bytes(path.stat().st_size)}", "dim"))
    for part in report.failed:
        print_error(f"{part.name} was not written: {part.message}", part.remedy or None)


def _print_damaged(results: Path, damaged: Sequence[str]) -> None:
    print_error(
        "\n".join(["what is damaged was left out", *damaged]),
        f"See what is whole: multiverse verify {shlex.quote(str(results))}. Scores are "
        "made anew by multiverse evaluate, runs by the benchmark.",
    )


def _plain(results: Path, report: WrittenReport) -> dict[str, object]:
    return {
        "results": str(results),
        "written": [_file(path) for path in report.written],
        "failed": [{"part": part.name, "message": part.message} for part in report.failed],
    }


def _file(path: Path) -> dict[str, object]:
    return {"file": str(path), "bytes": path.stat().st_size}
