"""``multiverse report``."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from multiverse.cli.terminal import console, print_error, print_json, safe
from multiverse.errors import ResultsError
from multiverse.report.write import WrittenReport, write_report
from multiverse.runs.results import Results
from multiverse.specs.quantity import format_bytes


def main(arguments: Namespace) -> int:
    results = Results.open(arguments.results)
    report = write_report(results, arguments.figures, output=arguments.output)
    damaged = results.damaged
    if arguments.json:
        print_json({**_plain(results, report), "damaged": list(damaged)})
    else:
        _print(report)
        if damaged:
            _print_damaged(results, damaged)
    return report.exit_code or (ResultsError.exit_code if damaged else 0)


def _print(report: WrittenReport) -> None:
    out = console()
    for path in report.written:
        out.print(safe(path) + safe(f"  {format_bytes(path.stat().st_size)}", "dim"))
    for part in report.failed:
        print_error(f"{part.name} was not written: {part.message}", part.remedy or None)


def _print_damaged(results: Results, damaged: Sequence[str]) -> None:
    print_error(
        "\n".join(["what is damaged was left out", *damaged]),
        f"See what is whole: multiverse verify {shlex.quote(str(results.folder))}. Scores are "
        "made anew by multiverse evaluate, runs by the benchmark.",
    )


def _plain(results: Results, report: WrittenReport) -> dict[str, object]:
    return {
        "results": str(results.folder),
        "written": [_file(path) for path in report.written],
        "failed": [{"part": part.name, "message": part.message} for part in report.failed],
    }


def _file(path: Path) -> dict[str, object]:
    return {"file": str(path), "bytes": path.stat().st_size}
