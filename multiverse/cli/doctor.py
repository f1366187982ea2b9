"""``multiverse doctor``."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from multiverse.api import doctor
from multiverse.cli.terminal import print_json, safe
from multiverse.doctor import MachineFinding, Severity, is_well
from multiverse.errors import EngineError

STYLES = {
    Severity.OK: "green",
    Severity.NOTE: "cyan",
    Severity.WARNING: "yellow",
    Severity.ERROR: "bold red",
}
#: The report is made for a terminal of the usual width, wherever it goes.
WIDTH = 80


@dataclass(frozen=True)
class DoctorArguments:
    """The folder that results would go to, and how findings are printed."""

    results: Path
    json: bool


def read(given: Namespace) -> DoctorArguments:
    """Return the arguments."""
    return DoctorArguments(given.results, given.json)


def main(arguments: DoctorArguments) -> int:
    """Examine this machine; 4 where a run would fail."""
    findings = doctor(arguments.results)
    well = is_well(findings)
    if arguments.json:
        print_json({"well": well, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    return 0 if well else EngineError.exit_code


def _print(findings: Sequence[MachineFinding]) -> None:
    """Print findings in 80 columns; what there is to do stands below what was seen."""
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
