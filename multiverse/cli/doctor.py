"""``multiverse doctor``."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from multiverse.cli.terminal import print_json, safe
from multiverse.doctor.examination import examine, is_well
from multiverse.doctor.finding import MachineFinding, Severity
from multiverse.doctor.scene import Scene
from multiverse.errors import EngineError
from multiverse.registry.models import BUILT_IN
from multiverse.specs.evaluator import EvaluatorSpec
from multiverse.specs.model import ModelSpec

STYLES = {
    Severity.OK: "green",
    Severity.NOTE: "cyan",
    Severity.WARNING: "yellow",
    Severity.ERROR: "bold red",
}
#: The report is made for a terminal of the usual width, wherever it goes.
WIDTH = 80


def main(arguments: Namespace) -> int:
    models = tuple(ModelSpec.load(path.parent) for path in sorted(BUILT_IN.glob("*/model.yaml")))
    findings = examine(Scene.here(arguments.results, (*models, EvaluatorSpec.load())))
    well = is_well(findings)
    if arguments.json:
        print_json({"well": well, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    return 0 if well else EngineError.exit_code


def _print(findings: Sequence[MachineFinding]) -> None:
    """80 columns; what there is to do stands below what was seen."""
    table = Table(box=None, pad_edge=False, show_header=False, width=WIDTH)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for finding in findings:
        seen = safe(finding.seen)
        if finding.remedy:
            seen.append("\n")
            seen.append(safe(f"→ {finding.remedy}", "dim"))
        table.add_row(safe(finding.area), safe(finding.status, STYLES[finding.status]), seen)
    out = Console(width=WIDTH, highlight=False)
    with out.capture() as captured:
        out.print(table)
        out.print(safe(_summary(findings), "bold"))
    lines = captured.get().splitlines()
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in lines))


def _summary(findings: Sequence[MachineFinding]) -> str:
    counts = [
        (sum(finding.status is status for finding in findings), status.value)
        for status in (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    ]
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
