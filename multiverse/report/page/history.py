"""What a run left of its training and its log; nothing in an attempt's output is trusted."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from multiverse.contract.files import check_regular, read_regular
from multiverse.contract.output import is_finite, read_metrics
from multiverse.report.words import plain
from multiverse.runs.run import Run

MAX_EPOCHS_BYTES = 16 * 1024 * 1024
MAX_LOG_BYTES = 64 * 1024 * 1024 * 1024
TAIL_BYTES, TAIL_LINES, LINE = 32 * 1024, 60, 400
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def read_history(run: Run) -> dict[str, list[float]]:
    """Metric → value an epoch: of ``metrics.json``, else of the epochs up to where it ended."""
    files = run.files
    try:
        content = read_metrics(files.metrics)
    except (OSError, ValueError, RecursionError):
        content = None
    history = content.get("history") if isinstance(content, dict) else None
    if isinstance(history, dict) and history:
        return {
            str(metric): [float(value) for value in values if is_finite(value)]
            for metric, values in history.items()
            if isinstance(values, list) and any(map(is_finite, values))
        }
    return _from_epochs(files.epochs)


def _from_epochs(path: Path) -> dict[str, list[float]]:
    try:
        lines = read_regular(path, max_bytes=MAX_EPOCHS_BYTES).splitlines()
    except OSError:
        return {}
    found: dict[str, list[float]] = {}
    for line in lines[:10_000]:
        try:
            epoch = json.loads(line)
        except (ValueError, RecursionError):
            continue
        for metric, value in epoch.items() if isinstance(epoch, dict) else ():
            if metric not in ("epoch", "total") and is_finite(value) and len(found) <= 200:
                found.setdefault(metric, []).append(float(value))
    return found


def model_metrics(run: Run) -> Mapping[str, float]:
    """What the model says of itself when it is done."""
    try:
        content = read_metrics(run.files.metrics)
    except (OSError, ValueError, RecursionError):
        return {}
    found = content.get("model_metrics") if isinstance(content, dict) else None
    if not isinstance(found, dict):
        return {}
    return {str(metric): float(value) for metric, value in found.items() if is_finite(value)}


def log_tail(run: Run) -> list[str]:
    """The last lines of the log, without control sequences.

    The model's own of a complete run; the engine's of an attempt, which also holds what the
    model printed before it ended.
    """
    lines = tail(run.files.log if run.complete else run.container_log)
    return lines or tail(run.container_log)


def tail(path: Path) -> list[str]:
    """The last lines of a regular file; none if it is anything else."""
    try:
        check_regular(path, max_bytes=MAX_LOG_BYTES)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - TAIL_BYTES))
            text = stream.read(TAIL_BYTES).decode(errors="replace")
    except OSError:
        return []
    lines = [_clean(line) for line in text.splitlines()]
    return [line for line in lines if line.strip()][-TAIL_LINES:]


def _clean(line: str) -> str:
    text = ANSI.sub("", line[: LINE * 4])
    kept = "".join(character if character.isprintable() else " " for character in text)
    return kept if len(kept) <= LINE else kept[: LINE - 1] + "…"


def summary(history: Mapping[str, Sequence[float]]) -> list[tuple[str, int, float, float, float]]:
    """A line a metric: name, epochs, first, lowest and last value."""
    return [
        (plain(metric, 60), len(values), values[0], min(values), values[-1])
        for metric, values in list(history.items())[:40]
        if values
    ]


def settings_of(
    values: Mapping[str, Any], changed: Mapping[str, Any]
) -> list[tuple[str, str, bool]]:
    """Parameter, value, whether it differs from the model's default."""
    return [
        (plain(parameter, 80), plain(value, 200), parameter in changed)
        for parameter, value in list(values.items())[:200]
    ]
