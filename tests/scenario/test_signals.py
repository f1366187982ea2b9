"""One signal ends a command in order, a second one at once, whatever its main thread waits for."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import docker_or_skip
from tests.engine.conftest import _naughty_image as _naughty_image
from tests.third_party import install_engine
from tests.unit.scoring.made import register

#: Long enough for a loaded machine: a command that is still there then hangs.
PATIENCE_SECONDS = 60
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: An engine of a third party. ``WAYS`` says what it does instead of working.
ENGINE = """
    import os, subprocess, sys, threading, time
    from pathlib import Path

    from multiverse.engines.protocol import Ending
    from multiverse.facts import Usage

    WAY = os.environ["WAY"]

    def here(word):
        Path("here").write_text(word)

    def for_ever():
        while True:
            try:
                time.sleep(1000)
            except BaseException:
                pass

    class Running:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def wait(self, seconds):
            time.sleep(seconds)
            return Path("stopped").exists()

        def usage(self):
            return Usage()

        def stop(self, grace):
            if WAY == "a job that does not end":
                for_ever()
            time.sleep(1)
            Path("stopped").write_text("")

        def ending(self):
            return Ending(143, None, Usage())

    class Engine(BareEngine):
        name = "odd"

        def capacity(self):
            if WAY == "a child that ignores it":
                code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(1000)"
                child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
                here(str(child.pid))
                for_ever()
            if WAY == "a lock that nobody releases":
                lock = threading.Lock()
                lock.acquire()
                here("")
                try:
                    lock.acquire()
                except BaseException:
                    lock.acquire(timeout=1000)
            if WAY == "a main thread that does not listen":
                here("")
                for_ever()
            return Capacity(8.0, 64 * 1024**3)

        def start(self, execution):
            here("")
            return Running()
"""


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one dataset, ``tiny``."""
    folder = tmp_path_factory.mktemp("home")
    register(folder)
    return folder


@pytest.fixture
def start(tmp_path: Path, home: Path) -> Iterator[Start]:
    """``multiverse …`` in an empty folder, with the odd engine; ended whatever happens."""
    install_engine(tmp_path, "odd", ENGINE)
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        own = {"PYTHONPATH": str(tmp_path), "MULTIVERSE_HOME": str(home)}
        process = subprocess.Popen(
            [sys.executable, "-m", "multiverse", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **own, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_listen,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def _listen() -> None:
    """Undo what a shell does to what it starts in the background, and ``nohup``."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def run_odd(start: Start, way: str) -> subprocess.Popen[str]:
    return start(
        "run", "--engine", "odd", "--models", "pca", "--dataset", "tiny", "--output", "results",
        WAY=way,
    )  # fmt: skip


def until(true: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"ended with {process.returncode}: {process.communicate()[0]}")
        time.sleep(0.05)


def ended(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert "Traceback" not in said
    return said


def signal_twice(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send a signal, see that it is not enough, send it again; what the command said."""
    process.send_signal(number)
    time.sleep(1)
    assert process.poll() is None, process.communicate()[0]
    process.send_signal(number)
    return ended(process)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "way",
    [
        "a main thread that does not listen",
        "a lock that nobody releases",
        "a job that does not end",
    ],
)
def test_a_second_signal_ends_at_once(
    start: Start, tmp_path: Path, way: str, number: signal.Signals
) -> None:
    process = run_odd(start, way)
    until((tmp_path / "here").exists, process)
    said = signal_twice(process, number)
    assert process.returncode == 128 + number, said
    assert "ended at once" in said
    assert "the next command on the same results folder" in said


def test_what_the_command_has_started_ends_with_it(start: Start, tmp_path: Path) -> None:
    process = run_odd(start, "a child that ignores it")
    until(lambda: (tmp_path / "here").exists() and (tmp_path / "here").read_text(), process)
    child = psutil.Process(int((tmp_path / "here").read_text()))
    signal_twice(process, signal.SIGTERM)
    psutil.wait_procs([child], timeout=PATIENCE_SECONDS)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_comes_twice_at_the_same_time_is_one(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """As ``timeout`` sends it: to the process, and to its group."""
    process = run_odd(start, "a job that ends in order")
    until((tmp_path / "here").exists, process)
    process.send_signal(number)
    time.sleep(0.05)
    process.send_signal(number)
    said = ended(process)
    assert process.returncode == 130, said
    assert "stopped on request" in said
    assert (tmp_path / "stopped").exists()
    (record,) = tmp_path.glob("results/attempts/*/1/run.json")
    assert '"cancelled"' in record.read_text()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_build_that_does_not_end(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    """Docker's client is what waits; it goes too."""
    client = tmp_path / "bin" / "docker"
    client.parent.mkdir()
    client.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  *version*) echo github.com/docker/buildx 1;;\n"
        f"  build*) trap '' TERM INT HUP; echo $$ > {tmp_path}/here; exec sleep 1000;;\n"
        '  *) echo \'[{"Id": "sha256:1", "Size": 1}]\';;\n'
        "esac\n"
    )
    client.chmod(0o755)
    process = start(
        "build", "pca", "--base", "python", PATH=f"{client.parent}{os.pathsep}{os.environ['PATH']}"
    )
    until(lambda: (tmp_path / "here").exists() and (tmp_path / "here").read_text(), process)
    child = psutil.Process(int((tmp_path / "here").read_text()))
    said = signal_twice(process, number)
    assert process.returncode == 128 + number, said
    psutil.wait_procs([child], timeout=PATIENCE_SECONDS)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


class Mute:
    """A Docker daemon that stops answering: passes everything on, until it is told not to."""

    def __init__(self, place: Path, daemon: str | None) -> None:
        self.mute = daemon is None
        self._daemon = daemon
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(place))
        self._socket.listen(64)
        self._open: list[socket.socket] = []
        self.asked = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self.asked += 1
                self._open.append(client)
                if self._daemon is not None:
                    other = socket.socket(socket.AF_UNIX)
                    other.connect(self._daemon)
                    self._open.append(other)
                    for pair in ((client, other), (other, client)):
                        threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(65536):
                while self.mute:
                    time.sleep(0.05)
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for one in (self._socket, *self._open):
            one.close()


@pytest.fixture
def mute(tmp_path: Path) -> Iterator[Callable[[str | None], Mute]]:
    made: list[Mute] = []

    def make(daemon: str | None) -> Mute:
        made.append(Mute(tmp_path / "docker.sock", daemon))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--engine", "docker", "--models", "pca", "--dataset", "tiny"),
        ("evaluate", Path(__file__).parents[1] / "data" / "results-1.0", "--engine", "docker"),
        ("clean", Path(__file__).parents[1] / "data" / "results-1.0", "--images"),
        ("doctor",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_daemon_that_never_answers(
    start: Start,
    mute: Callable[[str | None], Mute],
    tmp_path: Path,
    arguments: tuple[object, ...],
) -> None:
    """Two signals at most end any command that asks it."""
    daemon = mute(None)
    process = start(*arguments, DOCKER_HOST=f"unix://{tmp_path}/docker.sock")
    until(lambda: daemon.asked, process)
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(1)
        assert process.returncode == 130, ended(process)
        return
    process.send_signal(signal.SIGTERM)
    said = ended(process)
    assert process.returncode == 143, said


@pytest.mark.docker
@pytest.mark.usefixtures("_naughty_image")
def test_a_daemon_that_stops_answering_while_a_job_runs(
    start: Start, mute: Callable[[str | None], Mute], tmp_path: Path
) -> None:
    """What runs is left behind, and ended by the next command on the folder."""
    from tests.conftest import TEST_MODELS

    docker_or_skip()
    daemon = mute("/var/run/docker.sock")
    command = (
        "run", "--engine", "docker", "--models", "naughty", "--models-dir", TEST_MODELS,
        "--dataset", "tiny", "--output", "results", "--no-evaluate", "--no-report",
    )  # fmt: skip
    sleeping = (*command, "-p", "naughty.behaviour=sleep", "-p", "naughty.amount=300")
    process = start(*sleeping, DOCKER_HOST=f"unix://{tmp_path}/docker.sock")
    until(lambda: list(tmp_path.glob("results/attempts/*/1/output/metrics.jsonl")), process)
    daemon.mute = True
    said = signal_twice(process, signal.SIGTERM)
    assert process.returncode == 143, said
    assert "containers that Docker was not asked" in said
    following = start(*command, "-p", "naughty.behaviour=good")
    assert following.wait(PATIENCE_SECONDS) == 0, ended(following)
    labels = ["--filter", f"label=multiverse.results={tmp_path / 'results'}"]
    left = subprocess.run(
        [str(shutil.which("docker")), "ps", "-aq", *labels],
        capture_output=True,
        text=True,
        check=True,
    )
    assert left.stdout == ""
