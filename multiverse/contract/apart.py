"""Looks at ``embeddings.h5`` in a process of its own, with bounded memory and time.

The HDF5 library is not made for files of strangers: some crash it, some make it allocate whatever
they declare. Here that ends one check, not the runner with all its jobs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import multiverse
from multiverse.contract.finding import MAX_MESSAGE, Finding, FindingKind

if TYPE_CHECKING:
    from multiverse.contract.cells import CellNames

#: Address space: of Python, numpy and HDF5, one chunk and its unpacked form.
MEMORY_BYTES = 4 * 1024**3
#: And for each cell: its name, written and expected, in lists and sets.
MEMORY_BYTES_PER_CELL = 1024
MAX_SECONDS = 900
#: No plugin for a filter is loaded, and no library starts threads.
ENVIRONMENT = {"HDF5_PLUGIN_PRELOAD": "::", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def check_apart(path: Path, cells: CellNames) -> list[Finding]:
    """What :func:`multiverse.contract.embeddings.check_embeddings` finds; it can't hurt."""
    memory = MEMORY_BYTES + MEMORY_BYTES_PER_CELL * len(cells)
    root = str(Path(multiverse.__file__).resolve().parents[1])
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": root}
    module = "multiverse.contract.embeddings"
    command = [sys.executable, "-P", "-m", module, str(path.absolute()), str(memory)]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(cells.names).encode(),
            capture_output=True,
            env=environment,
            start_new_session=True,  # Ctrl-C is the runner's to handle
            timeout=MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"could not be read within {MAX_SECONDS // 60} minutes"
        return [Finding(FindingKind.UNREADABLE, path.name, message)]
    if done.returncode:
        message = _why(done.returncode, done.stderr.decode(errors="replace"), memory)
        return [Finding(FindingKind.UNREADABLE, path.name, message[:MAX_MESSAGE])]
    return [
        Finding(FindingKind(kind), path.name, message[:MAX_MESSAGE])
        for kind, message in json.loads(done.stdout)
    ]


def _why(code: int, said: str, memory: int) -> str:
    if code < 0:
        return f"can't be read: it crashes the HDF5 library ({signal.Signals(-code).name})"
    last = said.strip().rpartition("\n")[2] or f"exit code {code}"
    if last.startswith(("MemoryError", "numpy._core._exceptions._ArrayMemoryError")):
        return f"can't be read with {memory:,} bytes of memory"
    return f"can't be read: {last}"
