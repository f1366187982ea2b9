"""What a complete output is. Every finding is named, and all of them are reported."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiverse.contract.files import check_regular, read_regular
from multiverse.contract.paths import OutputFiles

if TYPE_CHECKING:
    import h5py

    from multiverse.contract.cells import CellNames

MIB, GIB = 1024**2, 1024**3
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Upper bounds; far above any honest output, far below what could hurt the host.
MAX_BYTES = {
    "embeddings.h5": 8 * GIB,
    "metrics.json": 64 * MIB,
    "metrics.jsonl": 64 * MIB,
    "umap.png": 64 * MIB,
    "run.log": 1 * GIB,
    "job_spec.json": 4 * MIB,
}
MAX_DIMENSIONS = 10_000
#: Values are read in blocks of about this many bytes, however many are declared.
BLOCK_BYTES = 32 * MIB
#: Bytes of one fixed-length cell name.
MAX_NAME_BYTES = 4096
#: More findings than this in one file say nothing new.
MAX_FINDINGS = 10
MAX_MESSAGE = 500
#: Warnings of a model beyond these are not passed on.
MAX_WARNINGS = 20


class FindingKind(StrEnum):
    """What can be wrong with an output."""

    MISSING = "missing"
    NOT_A_FILE = "not_a_file"
    UNREADABLE = "unreadable"
    WRONG_SHAPE = "wrong_shape"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    CONSTANT = "constant"
    WRONG_CELLS = "wrong_cells"
    WRONG_ORDER = "wrong_order"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one file of an output."""

    kind: FindingKind
    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


def check_output(folder: Path, cells: CellNames) -> list[Finding]:
    """Everything that keeps an output folder from being complete; empty means complete.

    Parameters
    ----------
    folder
        What the model wrote. Nothing in it is trusted: only regular files with one name
        count, sizes are bounded, and no link inside the HDF5 file is followed.
    cells
        The names of the input's cells, in order.
    """
    files = OutputFiles(folder)
    findings = [
        *_guarded(files.embeddings, lambda path: _check_embeddings(path, cells)),
        *_guarded(files.metrics, _check_metrics),
        *_guarded(files.umap, _check_picture),
        *_guarded(files.log, _check_present),
    ]
    if os.path.lexists(files.epochs):
        findings += _guarded(files.epochs, _check_present)
    return findings


def _guarded(path: Path, check: Callable[[Path], list[Finding]]) -> list[Finding]:
    """What one file's check finds. A file that breaks its check is a finding, not a crash."""
    try:
        return check(path)
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
    if not content.startswith(PNG_SIGNATURE) or b"IEND" not in content[-16:]:
        return [Finding(FindingKind.UNREADABLE, path.name, "is not a complete PNG picture")]
    return []


def _check_metrics(path: Path) -> list[Finding]:
    findings = _check_present(path)
    if findings:
        return findings
    try:
        content = json.loads(read_regular(path, max_bytes=MAX_BYTES[path.name]))
    except (ValueError, RecursionError) as error:
        return [Finding(FindingKind.UNREADABLE, path.name, f"is not JSON: {error}")]
    found = _judge_metrics(content)
    findings = [Finding(kind, path.name, message) for kind, message in found[:MAX_FINDINGS]]
    if len(found) > MAX_FINDINGS:
        message = f"has {len(found) - MAX_FINDINGS:,} problems more"
        findings.append(Finding(found[MAX_FINDINGS][0], path.name, message))
    return findings


def read_warnings(folder: Path) -> tuple[str, ...]:
    """What the model warns its user of (``warnings`` in ``metrics.json``), bounded and in one line.

    An output without readable warnings has none: they are optional.
    """
    path = OutputFiles(folder).metrics
    try:
        content = json.loads(read_regular(path, max_bytes=MAX_BYTES[path.name]))
    except (OSError, ValueError, RecursionError):
        return ()
    found = content.get("warnings") if isinstance(content, dict) else None
    lines = [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
    return tuple(" ".join(text[:MAX_MESSAGE].split()) for text in lines[:MAX_WARNINGS])


def _judge_metrics(content: Any) -> list[tuple[FindingKind, str]]:
    if not isinstance(content, dict):
        return [(FindingKind.WRONG_TYPE, "is not an object with 'model_metrics' and 'history'")]
    found: list[tuple[FindingKind, str]] = []
    for part in ("model_metrics", "history"):
        values = content.get(part)
        if not isinstance(values, dict):
            found.append((FindingKind.WRONG_TYPE, f"'{part}' is missing or is not an object"))
            continue
        for name, value in values.items():
            numbers = value if part == "history" else [value]
            if not isinstance(numbers, list) or not all(map(_is_number, numbers)):
                found.append((FindingKind.WRONG_TYPE, f"{part}[{name!r:.60}] is not numeric"))
            elif not all(map(is_finite, numbers)):
                found.append((FindingKind.NOT_FINITE, f"{part}[{name!r:.60}] is not finite"))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Whether a value of JSON is a number that fits a double, neither infinite nor NaN."""
    try:
        return _is_number(value) and math.isfinite(value)
    except OverflowError:
        return False


def _check_embeddings(path: Path, cells: CellNames) -> list[Finding]:
    findings = _check_present(path)
    if findings:
        return findings
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = [*_judge_latent(file, len(cells)), *_judge_names(file, cells)]
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        found = [(FindingKind.UNREADABLE, f"can't be read as HDF5: {error}"[:MAX_MESSAGE])]
    return [Finding(kind, path.name, message) for kind, message in found]


def _own_dataset(file: h5py.File, name: str) -> h5py.Dataset | str:
    """The dataset of that name stored inside this very file, or why there is none."""
    import h5py

    link = file.get(name, getlink=True)
    if link is None:
        return f"has no dataset '{name}'"
    if not isinstance(link, h5py.HardLink):
        return f"'{name}' is a link, not a dataset of this file"
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        return f"'{name}' is not a dataset"
    if dataset.is_virtual or dataset.external:
        return f"'{name}' keeps its values in another file"
    return dataset


def _judge_latent(file: h5py.File, n_cells: int) -> list[tuple[FindingKind, str]]:
    dataset = _own_dataset(file, "latent")
    if isinstance(dataset, str):
        return [(FindingKind.MISSING, dataset)]
    if dataset.ndim != 2:
        return [(FindingKind.WRONG_SHAPE, f"'latent' has {dataset.ndim} dimensions, not 2")]
    found: list[tuple[FindingKind, str]] = []
    if dataset.dtype.kind != "f":
        found.append((FindingKind.WRONG_TYPE, f"'latent' is {dataset.dtype}, not a float type"))
    rows, columns = dataset.shape
    if rows != n_cells:
        found.append((FindingKind.WRONG_SHAPE, f"'latent' has {rows:,} rows for {n_cells:,} cells"))
    if not 1 <= columns <= MAX_DIMENSIONS:
        found.append(
            (FindingKind.WRONG_SHAPE, f"'latent' has {columns:,} columns (1 to {MAX_DIMENSIONS:,})")
        )
    if found:
        return found
    return _judge_values(dataset)


def _judge_values(dataset: h5py.Dataset) -> list[tuple[FindingKind, str]]:
    """Finite, and not the same everywhere; read in blocks of rows."""
    import numpy as np

    rows, columns = dataset.shape
    step = max(1, BLOCK_BYTES // (columns * dataset.dtype.itemsize))
    bad, first_bad, constant = 0, 0, True
    first = dataset[0]
    for start in range(0, rows, step):
        block = dataset[start : start + step]
        bad_rows = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(bad_rows) and not bad:
            first_bad = start + int(bad_rows[0])
        bad += len(bad_rows)
        constant = constant and bool(np.all(block == first))
    if bad:
        message = f"'latent' has NaN or infinite values in {bad:,} of {rows:,} cells"
        return [(FindingKind.NOT_FINITE, f"{message}, first in row {first_bad}")]
    if rows > 1 and constant:
        return [(FindingKind.CONSTANT, "'latent' is the same for every cell")]
    return []


def _judge_names(file: h5py.File, cells: CellNames) -> list[tuple[FindingKind, str]]:
    import h5py

    dataset = _own_dataset(file, "obs_names")
    if isinstance(dataset, str):
        return [(FindingKind.MISSING, dataset)]
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.ndim != 1 or not is_text or dataset.dtype.itemsize > MAX_NAME_BYTES:
        return [(FindingKind.WRONG_TYPE, "'obs_names' is not a list of strings")]
    if len(dataset) != len(cells):
        return [
            (
                FindingKind.WRONG_CELLS,
                f"'obs_names' has {len(dataset):,} names for {len(cells):,} cells",
            )
        ]
    return _compare_names(_names(dataset), cells.names)


def _names(dataset: h5py.Dataset) -> list[str]:
    """The names that were written, each cut to a length that no honest name has."""
    step = max(1, BLOCK_BYTES // MAX_NAME_BYTES)
    return [
        (name.decode(errors="replace") if isinstance(name, bytes) else str(name))[:MAX_NAME_BYTES]
        for start in range(0, len(dataset), step)
        for name in dataset[start : start + step]
    ]


def _compare_names(
    written: Sequence[str], expected: Sequence[str]
) -> list[tuple[FindingKind, str]]:
    if list(written) == list(expected):
        return []
    unknown = set(written) - set(expected)
    if unknown:
        return [
            (
                FindingKind.WRONG_CELLS,
                f"'obs_names' has {len(unknown):,} names that are no cells of the input, "
                f"such as {min(unknown)!r:.60}",
            )
        ]
    if len(set(written)) != len(written):
        return [(FindingKind.WRONG_CELLS, "'obs_names' names some cells more than once")]
    row = next(i for i, (a, b) in enumerate(zip(written, expected, strict=True)) if a != b)
    return [
        (
            FindingKind.WRONG_ORDER,
            f"'obs_names' has the right cells in another order than the input, from row {row} on",
        )
    ]
