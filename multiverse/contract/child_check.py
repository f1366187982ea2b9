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
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


class Examiner:
    """A process that looks at one file after the other, each in a child of its own.

    Loading the libraries takes longer than most checks: it is done once. The process ends with
    its standard input, that is with this one, however this one ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it ahead of the first check; no more than once."""
        with self._lock:
            self._running()

    def forget(self) -> None:
        """Forget the process that looks at files, in a child of this one: it is the parent's.

        So is the lock, which a thread of the parent may have held.
        """
        self._lock = threading.Lock()
        self._process = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a request; ask again once if the process was ended from outside."""
        line = json.dumps(request).encode() + b"\n"
        with self._lock:
            for _ in range(2):
                answer = self._ask(line)
                if answer is not None:
                    return answer
        return {"code": 1, "answer": "the process that checks outputs does not answer"}

    def _ask(self, line: bytes) -> dict[str, Any] | None:
        process = self._running()
        assert process.stdin is not None  # noqa: S101 - opened as pipes below
        assert process.stdout is not None  # noqa: S101
        with suppress(OSError, ValueError):
            process.stdin.write(line)
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer
        process.kill()
        process.wait()
        self._process = None
        return None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            root = str(Path(multiverse.__file__).resolve().parents[1])
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "multiverse.contract.embeddings"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **ENVIRONMENT, "PYTHONPATH": root},
                start_new_session=True,  # Ctrl-C is the runner's to handle
            )
        return self._process


#: One is enough: a check is short beside the job whose output it looks at.
EXAMINER = Examiner()
os.register_at_fork(after_in_child=EXAMINER.forget)


def check_apart(path: Path, cells: CellNames) -> list[Finding]:
    """Return the findings of :func:`~multiverse.contract.embeddings.check_embeddings`, unhurt."""
    memory = MEMORY_BYTES + MEMORY_BYTES_PER_CELL * len(cells)
    answer = EXAMINER.ask(
        {
            "path": str(path.absolute()),
            "names": list(cells.names),
            "memory": memory,
            "seconds": MAX_SECONDS,
        }
    )
    if answer["code"]:
        message = _why(answer["code"], answer["answer"], memory)
        return [Finding(FindingKind.UNREADABLE, path.name, message[:MAX_MESSAGE])]
    return [
        Finding(FindingKind(kind), path.name, message[:MAX_MESSAGE])
        for kind, message in json.loads(answer["answer"])
    ]


def _why(code: int, said: str, memory: int) -> str:
    if code == -signal.SIGALRM:
        return f"could not be read within {MAX_SECONDS // 60} minutes"
    if code < 0:
        return f"can't be read: it crashes the HDF5 library ({signal.Signals(-code).name})"
    if said.startswith(("MemoryError", "_ArrayMemoryError")):
        return f"can't be read with {memory:,} bytes of memory"
    return f"can't be read: {said.strip() or f'exit code {code}'}"
