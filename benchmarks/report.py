"""What a benchmark found: a table for people, and a file that later figures are held against."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from multiverse import __version__
from multiverse.runner.host import host_facts, versions

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Target:
    """A figure and the highest value that it may have."""

    what: str
    value: float
    limit: float
    unit: str = "×"

    @property
    def met(self) -> bool:
        return self.value <= self.limit

    def row(self) -> tuple[str, str, str, str]:
        verdict = "met" if self.met else "MISSED"
        return self.what, f"{self.value:.3g} {self.unit}", f"≤ {self.limit:g} {self.unit}", verdict


def conclude(name: str, targets: Sequence[Target], details: Mapping[str, Any]) -> int:
    """Print the table, write ``results/<name>.json``; 1 if a target is missed, otherwise 0."""
    _print_table(("figure", "measured", "target", ""), [target.row() for target in targets])
    content = {
        "benchmark": name,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {**versions(), "multiverse": __version__, "docker": _docker_version()},
        "machine": {name: fact for name, fact in host_facts().items() if name != "platform"},
        "targets": [{**asdict(target), "met": target.met} for target in targets],
        "details": dict(details),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(target.met for target in targets) else 1


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        print(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )


def _docker_version() -> str:
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
