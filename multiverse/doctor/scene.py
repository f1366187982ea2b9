"""The scene of the checks: folders, models, and the way to the daemon."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiverse.engines.docker import daemon_errors
from multiverse.images.daemon import connect
from multiverse.registry.home import cache, home
from multiverse.specs.model import ModelSpec

#: Seconds for one answer of the daemon: a healthy one needs a fraction of one.
DAEMON_SECONDS = 10


@dataclass(frozen=True)
class Scene:
    """One machine, one user, one results folder (which may not be there yet)."""

    results: Path
    home: Path
    cache: Path
    models: tuple[ModelSpec, ...]

    @classmethod
    def here(cls, results: Path, models: tuple[ModelSpec, ...]) -> Scene:
        """Return the scene with the folders that this user's commands would use."""
        return cls(results.absolute(), home(), cache(), models)

    @property
    def folders(self) -> Mapping[str, Path]:
        """The folders that multiverse writes to, by the words for them."""
        return {"results": self.results, "home": self.home, "cache": self.cache}

    @contextmanager
    def daemon(self) -> Iterator[Any]:
        """Lend a client of the daemon; :class:`EngineError` where it does not answer."""
        with daemon_errors():
            client = connect(DAEMON_SECONDS)
            try:
                yield client
            finally:
                client.close()


def nearest(path: Path) -> Path:
    """Return the folder itself, or the one that exists nearest above it."""
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path


def is_local(info: Mapping[str, Any]) -> bool:
    """Return whether a daemon, by its ``info``, runs on this kernel, in no virtual machine."""
    here = os.uname()
    by_socket = os.environ.get("DOCKER_HOST", "unix://").startswith("unix://")
    same = (info.get("KernelVersion"), info.get("Name")) == (here.release, here.nodename)
    return by_socket and same
