"""``python -m tests.durations FILE…``: how long the tests of each folder took.

The files are what pytest writes with ``--junit-xml``. A test counts with its fixtures; of tests
in several workers the sum is more than the time that passed.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree


def durations(files: Iterable[Path]) -> Iterator[tuple[str, float]]:
    """Yield each test's folder, below ``tests/``, and its time in seconds."""
    for file in files:
        for case in ElementTree.parse(file).iter("testcase"):  # noqa: S314 - pytest's own file
            _, *names = case.attrib["classname"].split(".")
            yield (f"{names[0]}/" if len(names) > 1 else "test_*.py"), float(case.attrib["time"])


def table(files: Iterable[Path]) -> str:
    """Return a table in Markdown: folders, the longest first, and their sum."""
    counts: Counter[str] = Counter()
    seconds: defaultdict[str, float] = defaultdict(float)
    for folder, time in durations(files):
        counts[folder] += 1
        seconds[folder] += time
    longest = sorted(seconds, key=lambda folder: -seconds[folder])
    lines = ["| tests | how many | minutes |", "|---|--:|--:|"]
    lines += [f"| `{name}` | {counts[name]:,} | {seconds[name] / 60:.1f} |" for name in longest]
    lines.append(f"| all | {counts.total():,} | {sum(seconds.values()) / 60:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(map(Path, sys.argv[1:])))  # noqa: T201
