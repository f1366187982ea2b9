"""Looks at ``embeddings.h5`` in a process of its own, with bounded memory and time.

The HDF5 library is not made for files of strangers: some crash it, some make it allocate whatever
they declare, some keep it busy. Here that ends one check, and neither the runner nor the checks of
other jobs, which are made at the same time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import multiverse
from multiverse.contract.cells import CellNames
from multiverse.contract.files import open_regular
from multiverse.contract.finding import MAX_MESSAGE, Finding, FindingKind
from multiverse.errors import Cancelled

MIB = 1024**2
#: Address space: of Python, numpy and HDF5, one chunk and its unpacked form.
MEMORY_BYTES = 4 * 1024**3
#: And for each cell: its name, written and expected, in lists and sets.
MEMORY_BYTES_PER_CELL = 1024
#: Time to compute that any file has; the libraries are loaded already.
CPU_SECONDS = 10
#: Gzip unpacks floats at 60 MiB of stored bytes a second on a slow core; one quarter of that.
STORED_BYTES_PER_SECOND = 16 * MIB
#: Names are decoded and compared, and a chunk may hold one cell: 10 µs each, five times that.
CELLS_PER_SECOND = 20_000
#: Seconds on the clock for each second of computing: disks are slow, and cores are shared.
PATIENCE = 4
#: How often it is looked whether the user wants everything stopped.
TICK_SECONDS = 0.1
#: Seconds past the limit after which the process that looks at files does not do so any more.
GRACE_SECONDS = 5.0
#: What the process may say: a few findings.
MAX_ANSWER_BYTES = MIB
#: No plugin for a filter is loaded, and no library starts threads.
ENVIRONMENT = {"HDF5_PLUGIN_PRELOAD": "::", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class CheckBounds:
    """The bounds of one check: bytes of address space, seconds of computing and on the clock."""

    memory: int
    cpu_seconds: int
    seconds: float

    @classmethod
    def of(cls, size: int, n_cells: int) -> CheckBounds:
        """Return what an honest file of ``size`` bytes for so many cells stays far below.

        Computing: 10 s, and a second for each 16 MiB that are stored and each 20,000 cells. On the
        clock four times that.
        """
        cpu = CPU_SECONDS + size // STORED_BYTES_PER_SECOND + n_cells // CELLS_PER_SECOND
        memory = MEMORY_BYTES + MEMORY_BYTES_PER_CELL * n_cells
        return cls(memory, cpu, float(PATIENCE * cpu))


@dataclass(frozen=True)
class CheckAnswer:
    """The exit status of the child that looked (negative: a signal), and what it had to say."""

    code: int
    text: str


class Examiner:
    """A process that looks at files, each in a child of its own, as many at a time as are asked.

    Loading the libraries takes longer than most checks: it is done once. The process ends with
    the socket that it is asked by, that is with this one, however this one ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(self) -> None:
        """Start it ahead of the first check; no more than once."""
        with self._lock:
            self._running()

    def forget(self) -> None:
        """Forget the process that looks at files, in a child of this one: it is the parent's.

        So is the lock, which a thread of the parent may have held. The socket is closed here: it
        would keep the process alive.
        """
        self._lock = threading.Lock()
        self._process = None
        if self._control is not None:
            self._control.close()
            self._control = None

    def ask(
        self, file: int, request: bytes, seconds: float, cancelled: threading.Event | None
    ) -> CheckAnswer:
        """Have an opened file looked at; once more if the process was ended from outside.

        Waits at most that many seconds, and a few more. Raises :class:`Cancelled` as soon as
        that is set; nobody looks at the file any more then.
        """
        for _ in range(2):
            answer = self._ask(file, request, seconds, cancelled)
            if answer is not None:
                return answer
        return CheckAnswer(1, "the process that checks outputs does not answer")

    def _ask(
        self, file: int, request: bytes, seconds: float, cancelled: threading.Event | None
    ) -> CheckAnswer | None:
        mine, theirs = socket.socketpair()
        with mine:
            with theirs, _written(request) as stream:
                if not self._send([file, stream.fileno(), theirs.fileno()]):
                    return None
            said = _listen(mine, time.monotonic() + seconds + GRACE_SECONDS, cancelled)
        if said is None:
            return CheckAnswer(-signal.SIGALRM, "")
        text, _, code = said.rpartition(b"\n")
        if not code.lstrip(b"-").isdigit():
            return None  # the process ended, not its child
        return CheckAnswer(int(code), text.decode(errors="replace"))

    def _send(self, descriptors: list[int]) -> bool:
        """Hand a request over; False if there was nobody to take it."""
        with self._lock:
            control = self._running()
            try:
                socket.send_fds(control, [b"?"], descriptors)
            except OSError:
                self._end()
                return False
        return True

    def _running(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._control is None:
            root = str(Path(multiverse.__file__).resolve().parents[1])
            self._control, theirs = socket.socketpair()
            self._control.settimeout(GRACE_SECONDS)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "multiverse.contract.examiner"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, **ENVIRONMENT, "PYTHONPATH": root},
                    start_new_session=True,  # Ctrl-C is the runner's to handle
                )
        return self._control

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._control is not None:
            self._control.close()
        self._process = self._control = None


@contextmanager
def _written(request: bytes) -> Iterator[IO[bytes]]:
    """Yield the request as a file without a name, to be read from its beginning."""
    with tempfile.TemporaryFile() as stream:
        stream.write(request)
        stream.seek(0)
        yield stream


def _listen(
    answers: socket.socket, deadline: float, cancelled: threading.Event | None
) -> bytes | None:
    """Return all that is said until the other end is closed; None if that takes too long.

    Whoever leaves this closes the socket, by which the child that looks is ended.
    """
    said = b""
    answers.settimeout(TICK_SECONDS)
    while time.monotonic() < deadline:
        if cancelled is not None and cancelled.is_set():
            raise Cancelled("the check of an output was stopped on request")
        try:
            block = answers.recv(64 * 1024)
        except TimeoutError:
            continue
        except OSError:
            block = b""
        if not block or len(said) > MAX_ANSWER_BYTES:
            return said
        said += block
    return None


#: One is enough: it has a child for each file.
EXAMINER = Examiner()
os.register_at_fork(after_in_child=EXAMINER.forget)


def check_apart(
    path: Path, cells: CellNames, *, max_bytes: int, cancelled: threading.Event | None = None
) -> list[Finding]:
    """Return the findings of :func:`~multiverse.contract.embeddings.check_embeddings`, unhurt.

    The file is opened here, and looked at by its descriptor: another that takes its place is not
    seen. Raises OSError for what is no regular file of at most ``max_bytes``, :class:`Cancelled`
    once ``cancelled`` is set.
    """
    with os.fdopen(open_regular(path, max_bytes=max_bytes, second_names="none"), "rb") as stream:
        bounds = CheckBounds.of(os.fstat(stream.fileno()).st_size, len(cells))
        request = json.dumps({"names": list(cells.names), **vars(bounds)}).encode()
        answer = EXAMINER.ask(stream.fileno(), request, bounds.seconds, cancelled)
    if answer.code:
        message = _why(answer, bounds)
        return [Finding(FindingKind.UNREADABLE, path.name, message[:MAX_MESSAGE])]
    return [
        Finding(FindingKind(kind), path.name, message[:MAX_MESSAGE])
        for kind, message in json.loads(answer.text)
    ]


def _why(answer: CheckAnswer, bounds: CheckBounds) -> str:
    if answer.code == -signal.SIGXCPU:
        return f"could not be read within {bounds.cpu_seconds} s of computing"
    if answer.code == -signal.SIGALRM:
        return f"could not be read within {bounds.seconds:g} s"
    if answer.code < 0:
        return f"can't be read: it crashes the HDF5 library ({signal.Signals(-answer.code).name})"
    if answer.text.startswith(("MemoryError", "_ArrayMemoryError")):
        return f"can't be read with {bounds.memory:,} bytes of memory"
    return f"can't be read: {answer.text.strip() or f'exit code {answer.code}'}"
