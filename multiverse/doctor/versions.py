"""Versions of what has a part in running a job."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Iterator

import multiverse
from multiverse.doctor.finding import MachineFinding, note, ok, warning
from multiverse.doctor.scene import Scene
from multiverse.errors import EngineError

AREA = "versions"
#: The first API of the daemon with all that containers of jobs are given (Docker 20.10).
MINIMAL_API = (1, 41)


def check_versions(scene: Scene) -> Iterator[MachineFinding]:
    """Report Python, multiverse, the Docker SDK, the daemon's API."""
    yield ok(
        AREA,
        f"multiverse {multiverse.__version__}, Python {platform.python_version()} "
        f"({sys.executable}), {platform.system()} {platform.release()}",
    )
    sdk = importlib.metadata.version("docker")
    try:
        with scene.daemon() as client:
            api = str(client.version().get("ApiVersion", "0"))
    except EngineError as problem:
        yield note(AREA, f"Docker SDK {sdk}; the daemon's API is not known: {problem}")
        return
    seen = f"Docker SDK {sdk}, daemon API {api}"
    if tuple(int(part) for part in api.split(".") if part.isdecimal()) < MINIMAL_API:
        yield warning(AREA, f"{seen}: older than 1.41", "Update Docker to 20.10 or later.")
    else:
        yield ok(AREA, seen)
