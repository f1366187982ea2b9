"""A run's training history and log; nothing in an attempt's output is trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from multiverse.contract.curves import Curve, read_curves, read_model_metrics
from multiverse.contract.files import read_end
from multiverse.report.words import plain
from multiverse.runs.run import Run

MAX_LOG_BYTES = 64 * 1024 * 1024 * 1024
TAIL_BYTES, TAIL_LINES, LINE = 32 * 1024, 60, 400
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def read_history(run: Run) -> list[Curve]:
    """Return every series that the run reported, up to where it ended."""
    return read_curves(run.files)


def model_metrics(run: Run) -> Mapping[str, float]:
    """Return what the model says of itself when it is done."""
    return read_model_metrics(run.files)


def log_tail(run: Run) -> list[str]:
    """Return the last lines of the log, without control sequences.

    The model's own of a complete run; the engine's of an attempt, which also holds what the
    model printed before it ended.
    """
    lines = tail(run.files.log if run.complete else run.container_log)
    return lines or tail(run.container_log)


def tail(path: Path) -> list[str]:
    """Return the last lines of a regular file; none if it is anything else."""
    try:
        text = read_end(path, TAIL_BYTES).decode(errors="replace")
    except OSError:
        return []
    lines = [_clean(line) for line in text.splitlines()]
    return [line for line in lines if line.strip()][-TAIL_LINES:]


def _clean(line: str) -> str:
    text = ANSI.sub("", line[: LINE * 4])
    kept = "".join(character if character.isprintable() else " " for character in text)
    return kept if len(kept) <= LINE else kept[: LINE - 1] + "…"


def summary(history: Sequence[Curve]) -> list[tuple[str, str, int, float, float, float]]:
    """Return a line a series: name, what it is per, count, first, lowest and last value."""
    return [
        (
            plain(curve.name, 60),
            plain(curve.per),
            len(curve.points),
            curve.values[0],
            min(curve.values),
            curve.values[-1],
        )
        for curve in history[:40]
    ]


def settings_of(
    values: Mapping[str, Any], changed: Mapping[str, Any]
) -> list[tuple[str, str, bool]]:
    """Return parameter, value, whether it differs from the model's default."""
    return [
        (plain(parameter, 80), plain(value, 200), parameter in changed)
        for parameter, value in list(values.items())[:200]
    ]
