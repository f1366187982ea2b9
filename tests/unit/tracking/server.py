"""A real MLflow server, and a wire to it that can be cut at a chosen request."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http.client import HTTPConnection, HTTPException
from pathlib import Path

START_SECONDS = 180


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens to."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@dataclass
class MlflowServer:
    """``mlflow server`` with an SQLite store, in a process of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin, or begin again on the same store; returns when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1",
            "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{self.folder}/server.db",
            "--artifacts-destination", str(self.folder / "artifacts"),
        ]  # fmt: skip
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **quiet},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            with suppress(OSError, HTTPException):
                connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.2)
        raise AssertionError((self.folder / "server.log").read_text())

    def kill(self) -> None:
        """SIGKILL, with its workers."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Action(Enum):
    """What becomes of a piece of a request."""

    FORWARD = "forward"
    #: Nothing goes on, in either direction, and the connection ends.
    CUT = "cut"
    #: The server gets it, and its answer is lost.
    LOSE_ANSWER = "lose answer"


Rule = Callable[[bytes], Action]


@contextmanager
def wire(server: MlflowServer, rule: Rule) -> Iterator[str]:
    """A URI whose requests reach the server piece by piece, as the rule says."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=_connect, args=(client, server, rule), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _connect(client: socket.socket, server: MlflowServer, rule: Rule) -> None:
    with suppress(OSError), client:
        upstream = socket.create_connection(("127.0.0.1", server.port))
        lose = threading.Event()
        back = threading.Thread(target=_back, args=(upstream, client, lose), daemon=True)
        back.start()
        with upstream:
            while piece := client.recv(65536):
                action = rule(piece)
                if action is Action.CUT:
                    return
                if action is Action.LOSE_ANSWER:
                    lose.set()
                upstream.sendall(piece)
            upstream.shutdown(socket.SHUT_WR)
            back.join()


def _back(upstream: socket.socket, client: socket.socket, lose: threading.Event) -> None:
    with suppress(OSError):
        while piece := upstream.recv(65536):
            if lose.is_set():
                break
            client.sendall(piece)
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


@contextmanager
def silent_server() -> Iterator[str]:
    """Accepts every connection, reads what comes, and never answers."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=50)
    opened: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                opened.append(listener.accept()[0])

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in opened:
            connection.close()
