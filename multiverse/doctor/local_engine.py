"""The embedded engine: uv, and the Python that models run on."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator

from multiverse.doctor.finding import MachineFinding, note, ok, warning
from multiverse.doctor.scene import Scene
from multiverse.images.environment import PYTHON_VERSION

AREA = "local"
_SECONDS = 20


def check_local_engine(_scene: Scene) -> Iterator[MachineFinding]:
    """Check uv and Python 3.11, without fetching anything."""
    version = _uv("--version")
    if version is None:
        yield warning(AREA, "uv is not installed, or does not run", "pip install uv")
        return
    yield ok(AREA, version)
    python = local_python()
    if python is not None:
        yield ok(AREA, f"Python {PYTHON_VERSION}: {python}")
        return
    if os.environ.get("UV_PYTHON_DOWNLOADS", "automatic") == "never":
        yield warning(
            AREA,
            f"there is no Python {PYTHON_VERSION}, and uv may not fetch one",
            f"Install it (apt-get install python{PYTHON_VERSION}), or use --engine docker.",
        )
    else:
        yield note(
            AREA,
            f"there is no Python {PYTHON_VERSION} yet: uv fetches one when --engine local needs it",
            f"On a machine without a network: apt-get install python{PYTHON_VERSION}",
        )


def local_python() -> str | None:
    """Return the Python that uv finds on this machine for models; None where it finds none."""
    return _uv("python", "find", "--no-project", "--no-python-downloads", PYTHON_VERSION)


def _uv(*arguments: str) -> str | None:
    from uv import find_uv_bin

    ignored = ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON", "UV_PROJECT")
    try:
        done = subprocess.run(
            [find_uv_bin(), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            cwd=tempfile.gettempdir(),
            env={name: text for name, text in os.environ.items() if name not in ignored},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
