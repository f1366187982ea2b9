"""A Docker command-line client that can build with BuildKit.

The Docker SDK for Python knows only the classic builder, which has neither secrets nor cache
mounts. A machine may have several clients; the first one on PATH that can do it is taken.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multiverse.errors import BuildError, EngineUnavailable

_VERSION = re.compile(r"^Docker version (\d+)\.(\d+)")
#: Clients from 18.09 to 22 bring BuildKit themselves; later ones only as the plugin buildx.
_BUILT_IN = range(1809, 2300)
_QUESTION_SECONDS = 30


@dataclass(frozen=True)
class ImageInfo:
    """An image as the daemon knows it. ``id``: ``sha256:…``; ``size``: bytes.

    ``inspected``: all that the daemon says of it.
    """

    id: str
    size: int
    labels: Mapping[str, str] = field(default_factory=dict)
    inspected: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class DockerCli:
    """A client that builds with BuildKit, on the daemon that the Docker SDK would use."""

    path: Path
    environ: Mapping[str, str]

    def image(self, reference: str) -> ImageInfo | None:
        """Return the image of that name on the daemon; None if there is none.

        Raises :class:`EngineUnavailable` when the daemon does not answer.
        """
        done = self._ask("image", "inspect", reference)
        if done.returncode == 0:
            (found,) = json.loads(done.stdout)
            labels = (found.get("Config") or {}).get("Labels") or {}
            return ImageInfo(found["Id"], int(found["Size"]), labels, found)
        if "No such image" in done.stderr:
            return None
        raise EngineUnavailable(
            f"the Docker daemon does not answer: {done.stderr.strip() or 'no reason given'}",
            remedy="start it, or use the embedded engine: --engine local",
        )

    def pull(self, reference: str, *, seconds: float) -> str | None:
        """Fetch an image; None when it is there now, else the reason in one line."""
        try:
            done = self._ask("pull", "--quiet", reference, seconds=seconds)
        except BuildError as error:
            return str(error)
        return None if done.returncode == 0 else _last_line(done.stderr)

    def import_root(self, stream: int, reference: str, changes: Sequence[str]) -> None:
        """Make an image from a tar stream (a file descriptor) of a root file system."""
        options = [part for change in changes for part in ("--change", change)]
        command = [str(self.path), "import", *options, "-", reference]
        done = subprocess.run(
            command, stdin=stream, capture_output=True, text=True, env=self.environ, check=False
        )
        if done.returncode != 0:
            raise BuildError(f"docker import of {reference} failed: {_last_line(done.stderr)}")

    def build(
        self, arguments: Sequence[str], *, log: Path, show: Callable[[str], None] | None
    ) -> None:
        """Run ``docker build`` with these arguments; every line goes to ``log`` and to ``show``.

        Raises :class:`BuildError` with the last lines. Ended together with the caller.
        """
        command = [str(self.path), "build", "--progress", "plain", *arguments]
        tail: deque[str] = deque(maxlen=20)
        log.parent.mkdir(parents=True, exist_ok=True)
        with (
            log.open("w", encoding="utf-8", errors="replace") as file,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=self.environ,
            ) as process,
        ):
            try:
                for line in process.stdout or ():
                    file.write(line)
                    tail.append(line.rstrip())
                    if show is not None:
                        show(line.rstrip())
            except BaseException:
                process.terminate()
                raise
        if process.returncode != 0:
            lines = "\n".join(f"  {line}" for line in tail if line)
            raise BuildError(
                f"docker build ended with exit code {process.returncode}:\n{lines}",
                remedy=f"the whole log is in {log}",
            )

    def _ask(
        self, *arguments: str, seconds: float = _QUESTION_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [str(self.path), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
                env=self.environ,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BuildError(
                f"docker {arguments[0]} gave no answer within {seconds:.0f} s"
            ) from error


def find_docker(environ: Mapping[str, str] | None = None) -> DockerCli:
    """Return the first client on PATH that can build with BuildKit.

    Raises :class:`BuildError` that names the clients which were found and can't.
    """
    environ = dict(os.environ if environ is None else environ)
    refused: list[str] = []
    for path in _clients(environ.get("PATH", os.defpath)):
        if _answers(path, "buildx", "version", environ=environ) is not None:
            return DockerCli(path, _build_environment(environ))
        version = _answers(path, "--version", environ=environ) or ""
        match = _VERSION.match(version)
        if match and int(match[1]) * 100 + int(match[2]) in _BUILT_IN:
            return DockerCli(path, _build_environment(environ))
        refused.append(f"{path} ({version.strip() or 'not a Docker client'})")
    if refused:
        message = f"no docker client here can build with BuildKit: {', '.join(refused)}"
        raise BuildError(message, remedy="install the plugin: apt-get install docker-buildx-plugin")
    raise BuildError(
        "there is no docker command on PATH",
        remedy="install Docker (apt-get install docker.io), or use --engine local",
    )


def _clients(search_path: str) -> list[Path]:
    found: dict[Path, Path] = {}
    for folder in search_path.split(os.pathsep):
        path = Path(folder or ".", "docker")
        if path.is_file() and os.access(path, os.X_OK):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _answers(path: Path, *arguments: str, environ: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(
            [str(path), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_QUESTION_SECONDS,
            env=environ,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _build_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for BuildKit on the daemon of the containers, for a plain image.

    The Docker SDK for Python reads DOCKER_HOST and knows no contexts: an image that was built
    in another context would be missing when a job starts.
    """
    return {
        **environ,
        "DOCKER_BUILDKIT": "1",
        "DOCKER_CONTEXT": "default",
        "BUILDX_BUILDER": "default",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        "DOCKER_CLI_HINTS": "false",
    }


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
