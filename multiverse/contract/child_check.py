"""Looks at ``embeddings.h5`` in a process of its own, with bounded memory and time.

The HDF5 library is not made for files of strangers: some crash it, some make it allocate whatever
they declare, some keep it busy. Here that ends one check, and neither the runner nor the checks of
other jobs, which are made at the same time.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import multiverse
from multiverse.contract.cells import CellNames
from multiverse.contract.files import open_regular
from multiverse.contract.finding import MAX_MESSAGE, Finding, FindingKind
from multiverse.errors import Cancelled, ChecksUnavailable

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
#: Time to start and to load the libraries, which some clusters read from a slow disk.
START_SECONDS = 120.0
#: Time to end, of a process that has let go of an answer.
ENDING_SECONDS = 1.0
#: What is kept of the end of what the process prints.
TAIL_BYTES = 4096
#: Characters of it in a message.
MAX_LAST_WORDS = 300
#: Signals that come from outside only: of the system that is short of memory, or of a person.
FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
#: How an answer begins where the surroundings lack a package that the check needs.
NOT_FOUND = ("ImportError", "ModuleNotFoundError")
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


class _Tail:
    """Keeps the end of what a process prints, however much that is."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept = b""
        self._stream = stream
        self._reader = threading.Thread(target=self._read, name="check-errors", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError, ValueError), self._stream as stream:
            while block := os.read(stream.fileno(), TAIL_BYTES):
                self._kept = (self._kept + block)[-TAIL_BYTES:]

    def last_words(self) -> str:
        """Return the last line that was printed, of a process that has ended."""
        self._reader.join(GRACE_SECONDS)
        text = "".join(
            letter if letter.isprintable() or letter == "\n" else " "
            for letter in self._kept.decode(errors="replace")
        )
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1][:MAX_LAST_WORDS] if lines else ""


class Examiner:
    """A process that looks at files, each in a child of its own, as many at a time as are asked.

    Loading the libraries takes longer than most checks: it is done once. The process ends with
    the socket that it is asked by, that is with this one, however this one ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._tail: _Tail | None = None
        self._ending = ""

    def start(self) -> None:
        """Start it ahead of the first check; no more than once. It is not waited for."""
        with self._lock, suppress(OSError):  # whoever asks it is told
            self._running()

    def try_out(self, cancelled: threading.Event | None = None) -> None:
        """Have a tiny file looked at that is as it should be.

        Raises :class:`ChecksUnavailable` where that does not work: no output could be checked here.
        """
        content = zlib.decompress(base64.b85decode(_TINY_EMBEDDINGS))
        bounds = CheckBounds.of(len(content), len(_TINY_CELLS))
        request = _request(_TINY_CELLS, bounds)
        try:
            with tempfile.NamedTemporaryFile() as stream:  # the library wants a name
                stream.write(content)
                stream.flush()
                answer = self.ask(stream.fileno(), request, START_SECONDS, cancelled)
        except OSError as error:
            raise unavailable(f"there is no room for temporary files: {error}") from error
        if answer.code or json.loads(answer.text):
            said = _why(answer, bounds) if answer.code else answer.text
            raise unavailable(f"of an embedding that is as it should be it says: {said}")

    def forget(self) -> None:
        """Forget the process that looks at files, in a child of this one: it is the parent's.

        So is the lock, which a thread of the parent may have held. The socket is closed here: it
        would keep the process alive.
        """
        self._lock = threading.Lock()
        self._process = self._tail = None
        if self._control is not None:
            self._control.close()
            self._control = None

    def ask(
        self, file: int, request: bytes, seconds: float, cancelled: threading.Event | None
    ) -> CheckAnswer:
        """Have an opened file looked at; once more if the process was ended from outside.

        Waits at most that many seconds, and a few more. Raises :class:`Cancelled` as soon as
        that is set, since nobody looks at the file any more then; :class:`ChecksUnavailable` if
        there is no answer, which says nothing about the file.
        """
        for _ in range(2):
            try:
                answer = self._ask(file, request, seconds, cancelled)
            except OSError as error:  # no room for the request, no descriptor left
                raise unavailable(f"it can't be asked: {error}") from error
            if answer is None:
                continue
            if answer.code and answer.text.startswith(NOT_FOUND):
                raise unavailable(f"it lacks a package: {answer.text.strip()}")
            if -answer.code not in FROM_OUTSIDE:
                return answer
            self._ending = (
                f"it was ended by {signal.Signals(-answer.code).name}, as by a system that is "
                "short of memory"
            )
        raise unavailable(self._ending or "it does not answer")

    def _ask(
        self, file: int, request: bytes, seconds: float, cancelled: threading.Event | None
    ) -> CheckAnswer | None:
        mine, theirs = socket.socketpair()
        with mine:
            with theirs, _written(request) as stream:
                if not self._send([file, stream.fileno(), theirs.fileno()]):
                    return None
            said = _listen(mine, time.monotonic() + seconds + GRACE_SECONDS, cancelled)
        if said is None:  # a child at work would have ended itself
            with self._lock:
                self._end()
            raise unavailable(f"it gave no answer within {seconds + GRACE_SECONDS:.0f} s")
        text, _, code = said.rpartition(b"\n")
        if not code.lstrip(b"-").isdigit():  # the process ended, not its child
            with self._lock:
                self._note_ending()
            return None
        return CheckAnswer(int(code), text.decode(errors="replace"))

    def _send(self, descriptors: list[int]) -> bool:
        """Hand a request over; False if there was nobody to take it."""
        with self._lock:
            try:
                socket.send_fds(self._running(), [b"?"], descriptors)
            except OSError as error:
                self._ending = f"it can't be asked: {error}"
                self._note_ending()
                self._end()
                return False
        return True

    def _running(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._control is None:
            mine, theirs = socket.socketpair()
            mine.settimeout(GRACE_SECONDS)
            with theirs, ExitStack() as unless_started:
                unless_started.callback(mine.close)
                process = subprocess.Popen(
                    [sys.executable or "python3", "-P", "-m", "multiverse.contract.examiner"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env={**os.environ, **ENVIRONMENT, "PYTHONPATH": search_path()},
                    start_new_session=True,  # Ctrl-C is the runner's to handle
                )
                unless_started.pop_all()
            self._control, self._process = mine, process
            if process.stderr is not None:
                self._tail = _Tail(process.stderr)
        return self._control

    def _note_ending(self) -> None:
        """Remember how the process ended, if it did: from its last words."""
        if self._process is None:
            return
        try:
            code = self._process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._ending = "it takes no request"
            return
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        words = self._tail.last_words() if self._tail is not None else ""
        self._ending = f"it ended {how}" + (f": {words}" if words else "")

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._control is not None:
            self._control.close()
        self._process = self._control = self._tail = None


def unavailable(reason: str) -> ChecksUnavailable:
    """Return the error of a process that can't look at files, which is the fault of no file."""
    return ChecksUnavailable(
        f"the process that checks outputs does not work here: {reason}",
        remedy="Mend that: the process is started with the same Python, PYTHONPATH and limits of "
        "the shell (ulimit -a). Then run the same command again; no finished training is repeated.",
    )


def search_path() -> str:
    """Return the ``PYTHONPATH`` of a process that finds what this one finds.

    This package's folder comes first, then the caller's ``PYTHONPATH`` and ``sys.path``, as
    absolute folders; the current folder, which the interpreter may have put there by itself, is
    left out.
    """
    root = Path(multiverse.__file__).resolve().parents[1]
    try:
        here = Path.cwd()
    except OSError:  # it was removed: nothing is found by a relative name
        here = Path("/")
    text = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    given = [here / entry for entry in (*text.split(os.pathsep), *sys.path) if entry]
    kept = [entry for entry in given if entry != here]
    return os.pathsep.join(dict.fromkeys(map(str, [root, *kept])))


#: An ``embeddings.h5`` of the two cells a and b that is as the contract has it: HDF5 is loaded by
#: the process that looks at files, and not yet by this one. Its bytes, by zlib and base 85.
_TINY_CELLS = ("a", "b")
_TINY_EMBEDDINGS = (
    b"c-rgqaB<`1lHy|K;9!7(|4<+V6*7Q|`)AH!^7n8FVq&OZ5<*r816)iDj0_BHf($^4Ehn)gHLqkdR4<zdNRTr>sW?"
    b"6_F*mh%KO<B^n}HON>uD4Yb^;><Bclof0}~S?BNJ2(7tJifz$mC7&%graDKLn0Fo@R!S*$?UGIMbNeZtJh0QIT>%"
    b"%TMhgC6|KPj7^W1u%GlL4gq#%p44i!i=DxNA<4&2dX-TJq$w{lrQ9sV;BXaU=)mkQ9vqau!mp<hQuTQP?Iut"
)


def _request(names: Sequence[str], bounds: CheckBounds) -> bytes:
    return json.dumps({"names": list(names), **vars(bounds)}).encode()


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
    once ``cancelled`` is set, :class:`ChecksUnavailable` where nobody could look.
    """
    with os.fdopen(open_regular(path, max_bytes=max_bytes, second_names="none"), "rb") as stream:
        bounds = CheckBounds.of(os.fstat(stream.fileno()).st_size, len(cells))
        request = _request(cells.names, bounds)
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
