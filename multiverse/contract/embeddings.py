"""``embeddings.h5``: the latent space and the names of its cells, read without trust.

Run as a module it is the process that looks at files, each in a child of its own, see
:mod:`multiverse.contract.child_check`: a broken file can crash the HDF5 library, or make it ask
for more memory than there is.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from multiverse.contract.finding import FindingKind
from multiverse.contract.hdf5 import opened

if TYPE_CHECKING:
    import h5py

MIB = 1024**2
MAX_DIMENSIONS = 10_000
#: Values are read in blocks of about this many bytes, however many are declared.
BLOCK_BYTES = 32 * MIB
#: One chunk is unpacked as a whole, however little of it is asked for.
MAX_CHUNK_BYTES = 1024 * MIB
#: Bytes of one fixed-length cell name.
MAX_NAME_BYTES = 4096

Found = list[tuple[FindingKind, str]]


def check_embeddings(path: Path, names: Sequence[str]) -> Found:
    """Return everything wrong with the file, for the cells of these names; empty means nothing.

    No link inside the file is followed. Raises MemoryError where it asks for too much.
    """
    try:
        with opened(path) as file:
            return [*_judge_latent(file, len(names)), *_judge_names(file, names)]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        return [(FindingKind.UNREADABLE, f"can't be read as HDF5: {error}")]


def _own_dataset(file: h5py.File, name: str) -> h5py.Dataset | str:
    """Return the dataset of that name stored inside this very file, or why there is none."""
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


def _chunk_too_large(dataset: h5py.Dataset) -> Found:
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if chunk <= MAX_CHUNK_BYTES:
        return []
    name = dataset.name.removeprefix("/")
    message = f"'{name}' is stored in chunks of {chunk:,} bytes (at most {MAX_CHUNK_BYTES:,})"
    return [(FindingKind.WRONG_SHAPE, message)]


def _judge_latent(file: h5py.File, n_cells: int) -> Found:
    dataset = _own_dataset(file, "latent")
    if isinstance(dataset, str):
        return [(FindingKind.MISSING, dataset)]
    if dataset.ndim != 2:
        return [(FindingKind.WRONG_SHAPE, f"'latent' has {dataset.ndim} dimensions, not 2")]
    found: Found = []
    if dataset.dtype.kind != "f":
        found.append((FindingKind.WRONG_TYPE, f"'latent' is {dataset.dtype}, not a float type"))
    rows, columns = dataset.shape
    if rows != n_cells:
        found.append((FindingKind.WRONG_SHAPE, f"'latent' has {rows:,} rows for {n_cells:,} cells"))
    if not 1 <= columns <= MAX_DIMENSIONS:
        found.append(
            (FindingKind.WRONG_SHAPE, f"'latent' has {columns:,} columns (1 to {MAX_DIMENSIONS:,})")
        )
    return found or _chunk_too_large(dataset) or _judge_values(dataset)


def _judge_values(dataset: h5py.Dataset) -> Found:
    """Check that values are finite, and not the same everywhere; in blocks of rows."""
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


def _judge_names(file: h5py.File, expected: Sequence[str]) -> Found:
    import h5py

    dataset = _own_dataset(file, "obs_names")
    if isinstance(dataset, str):
        return [(FindingKind.MISSING, dataset)]
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.ndim != 1 or not is_text or dataset.dtype.itemsize > MAX_NAME_BYTES:
        return [(FindingKind.WRONG_TYPE, "'obs_names' is not a list of strings")]
    if len(dataset) != len(expected):
        return [
            (
                FindingKind.WRONG_CELLS,
                f"'obs_names' has {len(dataset):,} names for {len(expected):,} cells",
            )
        ]
    return _chunk_too_large(dataset) or _compare_names(_names(dataset), expected)


def _names(dataset: h5py.Dataset) -> list[str]:
    """Return the names that were written, each cut to a length that no honest name has."""
    step = max(1, BLOCK_BYTES // MAX_NAME_BYTES)
    return [
        (name.decode(errors="replace") if isinstance(name, bytes) else str(name))[:MAX_NAME_BYTES]
        for start in range(0, len(dataset), step)
        for name in dataset[start : start + step]
    ]


def _compare_names(written: Sequence[str], expected: Sequence[str]) -> Found:
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


def main() -> None:
    """Answer one request a line on standard input, until there are no more.

    A request is ``{"path", "names", "memory", "seconds"}``; its answer ``{"code", "answer"}`` is
    the exit status of the child that looked at the file (negative: the signal that ended it) and
    what it had to say. The libraries are loaded once: a child is a copy of this process.
    """
    import h5py  # noqa: F401 - for the children
    import numpy  # noqa: F401 - for the children

    for line in sys.stdin.buffer:
        code, answer = _in_a_child(json.loads(line))
        print(json.dumps({"code": code, "answer": answer}), flush=True)  # noqa: T201 - the answer


def _in_a_child(request: dict[str, Any]) -> tuple[int, str]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _look(request, writer)
    os.close(writer)
    with open(reader, "rb") as stream:  # noqa: PTH123 - a descriptor
        answer = stream.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), answer


def _look(request: dict[str, Any], writer: int) -> NoReturn:
    """Check one file within bounds of memory and time, say what was found, and end."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_AS, (request["memory"], request["memory"]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        found = check_embeddings(Path(request["path"]), request["names"])
        answer, code = json.dumps(found), 0
    except BaseException as error:
        answer = f"{type(error).__name__}: {error}"
    with open(writer, "wb") as stream:
        stream.write(answer.encode(errors="replace"))
    os._exit(code)


if __name__ == "__main__":
    main()
