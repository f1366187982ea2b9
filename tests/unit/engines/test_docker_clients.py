"""The engine's clients of the daemon, on a socket that answers as a daemon does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest

from multiverse.engines.docker import DockerEngine


class AnsweringSocket(ThreadingMixIn, UnixStreamServer):
    """Counts the connections that were opened."""

    daemon_threads = True
    connections = 0


class AnsweringHandler(BaseHTTPRequestHandler):
    """Answers every question with what ``version`` and ``info`` need."""

    protocol_version = "HTTP/1.1"
    server: AnsweringSocket

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        facts = {"ApiVersion": "1.41", "Version": "20.10", "NCPU": 2, "MemTotal": 2**30}
        content = json.dumps(facts).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnsweringSocket]:
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with AnsweringSocket(str(path), AnsweringHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_next_job_has_the_connections_of_the_last(daemon: AnsweringSocket) -> None:
    engine = DockerEngine()
    engine.capacity()
    opened = daemon.connections
    for question in (engine.capacity, engine.facts, engine.capacity):
        thread = threading.Thread(target=question)  # as each job has a thread of its own
        thread.start()
        thread.join()
    assert daemon.connections == opened


def test_questions_at_the_same_time_share_no_client(daemon: AnsweringSocket) -> None:
    engine = DockerEngine()

    def within(first: Any) -> tuple[Any, Any]:
        return first, engine._ask(lambda second: second)

    first, second = engine._ask(within)
    assert first is not second
    assert engine._ask(lambda third: third) in (first, second)


def test_a_socket_is_reached_whatever_proxy_the_environment_names(
    daemon: AnsweringSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://localhost:9")
    assert DockerEngine().capacity().cpus == 2
    assert daemon.connections > 0
