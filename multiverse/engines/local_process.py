"""One running process of the embedded engine: watched, limited, and ended on every way out."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

from multiverse.engines.cgroup import CgroupReading
from multiverse.engines.log_sink import LogSink
from multiverse.engines.meter import Meter
from multiverse.engines.protocol import Ending, Execution
from multiverse.facts import Cause, Usage

SAMPLE_SECONDS = 0.2
#: Whatever a job starts inherits it, and is found by it even if it leaves the session.
LABELS_VARIABLE = "MULTIVERSE_LABELS"
#: What a person or the system ends a process with; others (SEGV, ABRT, …) are its own fault.
KILLING = (signal.SIGKILL, signal.SIGTERM)


class LocalProcess:
    """A started process group (:class:`multiverse.engines.protocol.Running`)."""

    def __init__(self, process: subprocess.Popen[bytes], held: ExitStack, execution: Execution):
        self._process = process
        self._held = held
        self._memory_limit = execution.memory
        self._labels = execution.labels
        self._meter = Meter()
        self._ended = threading.Event()
        self._cause: Cause | None = None
        self._exit_code: int | None = None
        self._detail = ""
        sink = LogSink(execution.log, execution.echo)
        assert process.stdout is not None  # noqa: S101 - opened as a pipe below
        self._threads = [
            threading.Thread(target=sink.copy, args=(_chunks(process.stdout),), daemon=True),
            threading.Thread(target=self._watch, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        scratch: Path,
        held: ExitStack,
        execution: Execution,
    ) -> LocalProcess:
        """Start a command in a session of its own, so that all it starts can be ended.

        ``held``: what a started process takes over, and lets go of at its end.
        """
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=scratch,
            env=dict(environment),
            start_new_session=True,
            close_fds=True,
        )
        return cls(process, held.pop_all(), execution)

    def _watch(self) -> None:
        try:
            self._measure()
        except Exception as error:  # handed to ending(): a job nobody watches is lost
            self._cause, self._detail = Cause.ENGINE_LOST, str(error)
            self._meter.end()
        finally:
            self._signal(signal.SIGKILL)
            kill_labelled(self._labels)  # what left the session
            self._ended.set()

    def _measure(self) -> None:
        """Measure and limit until the process ends; then take its exact figures."""
        handle = psutil.Process(self._process.pid)
        while True:
            pid, status, resources = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                break
            reading = _read(handle)
            self._meter.add(reading)
            if reading is not None and reading.memory_bytes > self._memory_limit:
                self._cause = self._cause or Cause.OUT_OF_MEMORY
                self._signal(signal.SIGKILL)
            self._ended.wait(SAMPLE_SECONDS)
        cpu = resources.ru_utime + resources.ru_stime
        self._meter.add(CgroupReading(cpu, 0, resources.ru_maxrss * 1024, 0))
        self._meter.end()
        self._exit_code = os.waitstatus_to_exitcode(status)
        self._process.returncode = self._exit_code

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def wait(self, seconds: float) -> bool:
        return self._ended.wait(seconds)

    def usage(self) -> Usage:
        return self._meter.usage()

    def stop(self, grace: float) -> None:
        """Send TERM to the whole group, then KILL after ``grace`` seconds."""
        self._signal(signal.SIGTERM)
        if not self._ended.wait(grace):
            self._signal(signal.SIGKILL)
            self._ended.wait(10)

    def ending(self) -> Ending:
        for thread in self._threads:
            thread.join(10)
        if not self._ended.is_set():
            left = f"its processes do not end, even when killed: `kill -KILL -{self._process.pid}`"
            return Ending(None, Cause.ENGINE_LOST, self._meter.usage(), left, left)
        code, cause = self._exit_code, self._cause
        if code is not None and code < 0:
            if cause is None and -code in KILLING:
                cause = Cause.KILLED
            code = 128 - code
        return Ending(code, cause, self._meter.usage(), self._detail)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._ended.is_set():
            self._signal(signal.SIGKILL)
        for thread in self._threads:
            thread.join(10)
        self._held.close()


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield what the process prints, as it comes, until every writer has closed the pipe."""
    with stream:
        while chunk := os.read(stream.fileno(), 64 * 1024):
            yield chunk


def _read(process: psutil.Process) -> CgroupReading | None:
    """Return memory and CPU time of the process and what it started."""
    memory, cpu = 0, 0.0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    for member in family:
        with suppress(psutil.Error):
            memory += _own_memory(member)
            times = member.cpu_times()
            cpu += times.user + times.system
    return CgroupReading(cpu, memory, None, 0)


def _own_memory(process: psutil.Process) -> int:
    """Return anonymous resident memory, as a control group counts it: not pages of files."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return int(process.memory_info().rss)
    kibibytes = [line.split()[1] for line in lines if line.startswith("RssAnon:")]
    return int(kibibytes[0]) * 1024 if kibibytes else int(process.memory_info().rss)


def label_lines(labels: Mapping[str, str]) -> list[str]:
    """Return labels as lines of :data:`LABELS_VARIABLE`."""
    return [f"{key}={value}" for key, value in labels.items()]


def kill_labelled(labels: Mapping[str, str]) -> int:
    """Kill every process that carries all these labels, see them gone, return their number."""
    killed: list[psutil.Process] = []
    for process, _ in _processes(labels):
        with suppress(psutil.Error, OSError):
            process.kill()
            killed.append(process)
    psutil.wait_procs(killed, timeout=5)
    return len(killed)


def labelled(labels: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the labels of every process that carries all of ``labels``."""
    return [found for _, found in _processes(labels)]


def _processes(labels: Mapping[str, str]) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    wanted = set(label_lines(labels))
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            lines = process.environ().get(LABELS_VARIABLE, "").splitlines()
            if wanted <= set(lines):
                pairs = (line.partition("=") for line in lines)
                yield process, {key: value for key, _, value in pairs}
