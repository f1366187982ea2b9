"""Runs commands in children of a process that has imported everything: a case costs its work only.

``python -m tests.hostile.forked``: a request a line on stdin, an answer a line on stdout.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

#: Of address space, a command may take so much more than it has from the start.
MORE_MEMORY = 1536 * 1024**2
#: A command that is still there after so many seconds hangs: honest ones need two at most.
HANGS = 90.0
_SET_SECUREBITS, _NO_ROOT = 28, 0b11


@dataclass(frozen=True)
class Request:
    """A command; ``bare``: as a user that may not pass over the modes of files, even if root."""

    arguments: Sequence[str]
    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False


@dataclass(frozen=True)
class Ended:
    """How a command ended (``code`` None: it had to be killed) and what it said."""

    code: int | None
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


class Forked:
    """The process that has imported everything, for a test."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start it; what commands say is kept in ``folder`` meanwhile."""
        self._out, self._err = folder / "out", folder / "err"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.forked", str(self._out), str(self._err)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            text=True,
        )

    def run(
        self, *arguments: object, folder: Path, bare: bool, environment: Mapping[str, str]
    ) -> Ended:
        """Run one command in ``folder``."""
        request = Request([str(item) for item in arguments], str(folder), environment, bare)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(request)) + "\n")
        self._process.stdin.flush()
        code: int | None = json.loads(self._process.stdout.readline())
        said = (path.read_bytes().decode(errors="replace") for path in (self._out, self._err))
        return Ended(code, *said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=30)


def serve(out: str, err: str) -> None:
    """Answer requests until there are no more."""
    _import_everything()
    assert threading.active_count() == 1, "a fork would lose the threads"
    for line in sys.stdin:
        request = Request(**json.loads(line))
        child = os.fork()
        if child == 0:
            _be(request, out, err)
        sys.stdout.write(json.dumps(_wait(child)) + "\n")
        sys.stdout.flush()


def _import_everything() -> None:
    import multiverse

    apart = ("models", "worker", "evaluation", "images.offline", "scaffold.template", "__main__")
    for module in pkgutil.walk_packages(multiverse.__path__, "multiverse."):
        if not any(f".{name}" in module.name for name in apart):
            importlib.import_module(module.name)
    for name in ("tests.hostile.engine", "anndata.io", "mudata", "matplotlib.pyplot", "mlflow"):
        importlib.import_module(name)


def _be(request: Request, out: str, err: str) -> None:
    """Become the command."""
    code = 70
    try:
        os.setsid()
        for number, name, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (2, err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ):
            os.dup2(os.open(name, flags, 0o644), number)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
        os.environ.update(request.environment)
        os.chdir(request.folder)
        if request.bare:
            drop_capabilities()
        _bound_memory()
        code = _main(request.arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _main(arguments: Sequence[str]) -> int:
    if arguments[0] == "api":
        from tests.hostile.api import use

        return use(Path(arguments[1]))
    from multiverse.cli.main import main

    return main(arguments)


def _bound_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def _wait(child: int) -> int | None:
    """Return the exit code of a child, or None after the time at which it hangs."""
    end = time.monotonic() + HANGS
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def drop_capabilities() -> None:
    """Let root be a user like any other: modes and owners of files bind it, and its children."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if os.geteuid() == 0 and (
        libc.prctl(_SET_SECUREBITS, _NO_ROOT, 0, 0, 0) or libc.capset(header, nothing)
    ):
        raise OSError(ctypes.get_errno(), "the capabilities can't be dropped")


if __name__ == "__main__":
    serve(*sys.argv[1:])
