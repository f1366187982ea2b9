"""The checks of a complete output. Every finding is named, and all of them are reported."""

from __future__ import annotations

import json
import math
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from multiverse.contract.child_check import check_apart
from multiverse.contract.files import check_regular, read_regular
from multiverse.contract.finding import MAX_MESSAGE, Finding, FindingKind
from multiverse.contract.paths import NAMES, OutputFiles
from multiverse.errors import Cancelled, ChecksUnavailable

if TYPE_CHECKING:
    from multiverse.contract.cells import CellNames

MIB, GIB = 1024**2, 1024**3
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Upper bounds; far above any honest output, far below what could hurt the host.
MAX_BYTES = {
    NAMES.embeddings.name: 8 * GIB,
    NAMES.metrics.name: 64 * MIB,
    NAMES.epochs.name: 64 * MIB,
    NAMES.umap.name: 64 * MIB,
    NAMES.log.name: 1 * GIB,
    NAMES.job_spec.name: 4 * MIB,
}
#: Commas and brackets of ``metrics.json``: each may become an object of Python of a hundred bytes.
MAX_VALUES = 2_000_000
#: Names in ``model_metrics``, and in ``history``: every one becomes a column of a table.
MAX_METRICS = 1000
MAX_METRIC_NAME = 200
#: Characters in the word for what a history is per.
MAX_AXIS_NAME = 40
#: No honest epoch, iteration or factor has a higher number.
MAX_COUNT = 10**12
#: Pixels a side that a picture may declare: whoever shows it allocates them all.
MAX_PIXELS = 20_000
#: More findings than this in one file say nothing new.
MAX_FINDINGS = 10
#: Warnings of a model beyond these are not passed on.
MAX_WARNINGS = 20
#: Libraries that are named, and the characters of a name or a version.
MAX_LIBRARIES, MAX_LIBRARY = 10, 60


def check_output(
    folder: Path, cells: CellNames, cancelled: threading.Event | None = None
) -> list[Finding]:
    """Return everything that keeps an output folder from being complete; empty means complete.

    Parameters
    ----------
    folder
        What the model wrote. Nothing in it is trusted: only regular files with one name
        count, sizes are bounded, and no link inside the HDF5 file is followed.
    cells
        The names of the input's cells, in order.
    cancelled
        Once it is set, :class:`Cancelled` is raised: nothing is known of the output then.

    Raises
    ------
    ChecksUnavailable
        If the process that looks at files does not work, which says nothing about the output.
    """
    files = OutputFiles(folder)
    findings = [
        *_guarded(files.embeddings, lambda path: _check_embeddings(path, cells, cancelled)),
        *_guarded(files.metrics, _check_metrics),
        *_guarded(files.umap, _check_picture),
        *_guarded(files.log, _check_present),
    ]
    if os.path.lexists(files.epochs):
        findings += _guarded(files.epochs, _check_present)
    return findings


def _guarded(path: Path, check: Callable[[Path], list[Finding]]) -> list[Finding]:
    """Return the findings of one file. A file that breaks its check is a finding, not a crash."""
    try:
        return check(path)
    except (Cancelled, ChecksUnavailable):
        raise
    except Exception as error:
        message = f"can't be read: {type(error).__name__}: {error}"
        return [Finding(FindingKind.UNREADABLE, path.name, message[:MAX_MESSAGE])]


def _check_present(path: Path) -> list[Finding]:
    try:
        check_regular(path, max_bytes=MAX_BYTES[path.name])
    except FileNotFoundError:
        return [Finding(FindingKind.MISSING, path.name, "was not written")]
    except OSError as error:
        return [Finding(FindingKind.NOT_A_FILE, path.name, str(error))]
    return []


def _check_picture(path: Path) -> list[Finding]:
    findings = _check_present(path)
    if findings:
        return findings
    content = read_regular(path, max_bytes=MAX_BYTES[path.name])
    header = content[8:24]
    if (
        not content.startswith(PNG_SIGNATURE)
        or header[4:8] != b"IHDR"
        or b"IEND" not in content[-16:]
    ):
        return [Finding(FindingKind.UNREADABLE, path.name, "is not a complete PNG picture")]
    width, height = struct.unpack(">II", header[8:16])
    if not (0 < width <= MAX_PIXELS and 0 < height <= MAX_PIXELS):
        message = f"declares {width:,} × {height:,} pixels (1 to {MAX_PIXELS:,} a side)"
        return [Finding(FindingKind.WRONG_SHAPE, path.name, message)]
    return []


def _check_metrics(path: Path) -> list[Finding]:
    findings = _check_present(path)
    if findings:
        return findings
    try:
        content = read_metrics(path)
    except (ValueError, RecursionError) as error:
        message = f"is not JSON: {error}"[:MAX_MESSAGE]
        return [Finding(FindingKind.UNREADABLE, path.name, message)]
    found = _judge_metrics(content)
    findings = [Finding(kind, path.name, message) for kind, message in found[:MAX_FINDINGS]]
    if len(found) > MAX_FINDINGS:
        message = f"has {len(found) - MAX_FINDINGS:,} problems more"
        findings.append(Finding(found[MAX_FINDINGS][0], path.name, message))
    return findings


def read_metrics(path: Path) -> Any:
    """Read ``metrics.json``; what it will take in memory is judged before it is parsed.

    Raises OSError for what is not a file, ValueError or RecursionError for what is not JSON that
    means one thing.
    """
    text = read_regular(path, max_bytes=MAX_BYTES[path.name])
    values = text.count(b",") + text.count(b"[") + text.count(b"{")
    if values > MAX_VALUES:
        raise ValueError(f"it holds about {values:,} values (at most {MAX_VALUES:,})")
    return json.loads(text, object_pairs_hook=_without_repeats)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object, whose names are each there once: readers differ on which would count."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise ValueError(f"{name!r:.60} is there more than once")
        made[name] = value
    return made


def read_warnings(folder: Path) -> tuple[str, ...]:
    """Return the model's warnings (``warnings`` in ``metrics.json``), bounded and in one line.

    An output without readable warnings has none: they are optional.
    """
    found = _said(folder, "warnings")
    lines = [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
    return tuple(_one_line(text[:MAX_MESSAGE]) for text in lines[:MAX_WARNINGS])


def read_libraries(folder: Path) -> dict[str, str]:
    """Return the libraries of the method and their versions (``libraries`` in ``metrics.json``).

    Bounded and in one line each; they are optional, as warnings are.
    """
    found = _said(folder, "libraries")
    pairs = found.items() if isinstance(found, dict) else ()
    return {
        _one_line(name[:MAX_LIBRARY]): _one_line(version[:MAX_LIBRARY])
        for name, version in list(pairs)[:MAX_LIBRARIES]
        if isinstance(version, str)
    }


def _said(folder: Path, key: str) -> Any:
    """Return what ``metrics.json`` says under a key; None where it can't be read."""
    try:
        content = read_metrics(OutputFiles(folder).metrics)
    except (OSError, ValueError, RecursionError):
        return None
    return content.get(key) if isinstance(content, dict) else None


def _one_line(text: str) -> str:
    """Return text without control characters, and without halves of characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _judge_metrics(content: Any) -> list[tuple[FindingKind, str]]:
    if not isinstance(content, dict):
        return [(FindingKind.WRONG_TYPE, "is not an object with 'model_metrics' and 'history'")]
    found: list[tuple[FindingKind, str]] = []
    for part in ("model_metrics", "history"):
        values = content.get(part)
        if not isinstance(values, dict):
            found.append((FindingKind.WRONG_TYPE, f"'{part}' is missing or is not an object"))
            continue
        if len(values) > MAX_METRICS:
            message = f"'{part}' has {len(values):,} names (at most {MAX_METRICS:,})"
            found.append((FindingKind.WRONG_SHAPE, message))
            continue
        for name, value in values.items():
            if len(name) > MAX_METRIC_NAME:
                message = f"{part}[{name!r:.60}] has a name of {len(name):,} characters"
                found.append((FindingKind.WRONG_TYPE, f"{message} (at most {MAX_METRIC_NAME})"))
                continue
            numbers = value if part == "history" else [value]
            if not isinstance(numbers, list) or not all(map(_is_number, numbers)):
                found.append((FindingKind.WRONG_TYPE, f"{part}[{name!r:.60}] is not numeric"))
            elif not all(map(is_finite, numbers)):
                found.append((FindingKind.NOT_FINITE, f"{part}[{name!r:.60}] is not finite"))
    return found + _judge_axes(content)


def _judge_axes(content: dict[str, Any]) -> list[tuple[FindingKind, str]]:
    """Return what is wrong with ``history_axes``, which is optional."""
    axes, history = content.get("history_axes", {}), content.get("history")
    if not isinstance(axes, dict):
        return [(FindingKind.WRONG_TYPE, "'history_axes' is not an object")]
    found: list[tuple[FindingKind, str]] = []
    for name, axis in axes.items():
        where = f"history_axes[{name!r:.60}]"
        series = history.get(name) if isinstance(history, dict) else None
        if not isinstance(series, list):
            found.append((FindingKind.WRONG_TYPE, f"{where} is the axis of no history"))
        elif not isinstance(axis, dict) or not is_axis_name(axis.get("per")):
            message = f"{where} has no word in 'per' (1 to {MAX_AXIS_NAME} printable characters)"
            found.append((FindingKind.WRONG_TYPE, message))
        elif (numbers := axis.get("at")) is None:
            continue
        elif not isinstance(numbers, list) or not all(map(is_count, numbers)):
            message = f"{where}: 'at' is not a list of whole numbers from 0 to {MAX_COUNT:,}"
            found.append((FindingKind.WRONG_TYPE, message))
        elif len(numbers) != len(series):
            message = f"{where}: 'at' has {len(numbers):,} numbers for {len(series):,} values"
            found.append((FindingKind.WRONG_SHAPE, message))
    return found


def is_axis_name(value: Any) -> TypeGuard[str]:
    """Return True for a word that may say what a history is per: short and printable."""
    return isinstance(value, str) and 0 < len(value) <= MAX_AXIS_NAME and value.isprintable()


def is_count(value: Any) -> TypeGuard[int]:
    """Return True for a whole number that an epoch, an iteration or a factor may have."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Return True for a number of JSON that fits a double, neither infinite nor NaN."""
    try:
        return _is_number(value) and math.isfinite(value)
    except OverflowError:
        return False


def _check_embeddings(
    path: Path, cells: CellNames, cancelled: threading.Event | None
) -> list[Finding]:
    findings = _check_present(path)
    return findings or check_apart(path, cells, max_bytes=MAX_BYTES[path.name], cancelled=cancelled)
