"""A Docker daemon that hangs: its socket takes whatever comes, and nothing comes back."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

SOCKET = Path("/var/run/docker.sock")
BLOCK = 64 * 1024


class HungDaemon:
    """A socket before the machine's daemon that hands everything on, up to a certain request.

    From the first request that holds ``words`` on, nothing is handed on in any direction, as if
    the daemon were stopped; connections are accepted still.
    """

    def __init__(self, folder: Path, words: bytes) -> None:
        self._path = folder / "docker.sock"
        self._words = words
        self._open: list[socket.socket] = []
        self.hangs = threading.Event()

    @property
    def host(self) -> str:
        return f"unix://{self._path}"

    def __enter__(self) -> Self:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self._path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                daemon = socket.socket(socket.AF_UNIX)
                daemon.connect(str(SOCKET))
                self._open += [client, daemon]
                for pair in ((client, daemon), (daemon, client)):
                    threading.Thread(target=self._hand_on, args=pair, daemon=True).start()

    def _hand_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(BLOCK):
                if self._words in block:
                    self.hangs.set()
                if self.hangs.is_set():
                    return
                target.sendall(block)
            if not self.hangs.is_set():
                target.shutdown(socket.SHUT_WR)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for made in (self._server, *self._open):
            with suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)
            made.close()
