"""An ordinary user of this machine who may use Docker, for tests that run as root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = 65534
SOCKET = Path("/var/run/docker.sock")
#: In a view of the file system of its own: a folder above the interpreter that is closed to
#: others (root's home) is one that holds the interpreter alone.
SCRIPT = """
set -e
closed=$1; wanted=$2; shift 2
if [ -n "$closed" ]; then
    mount --bind "$wanted" /mnt
    mount -t tmpfs -o mode=755 tmpfs "$closed"
    mkdir -p "$wanted"
    mount --move /mnt "$wanted"
fi
exec "$@"
"""


class OrdinaryUser:
    """Runs the command as a user without privileges, but for the group that Docker asks for.

    Whoever runs the tests as such a user is it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.uid = os.geteuid() or NOBODY

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``multiverse`` to its end."""
        command = [sys.executable, "-m", "multiverse", *arguments]
        return subprocess.run(
            [*self._prefix(), *command],
            env={
                **os.environ,
                "HOME": str(self._folder),
                "MULTIVERSE_HOME": str(self._folder / "home"),
                "MULTIVERSE_CACHE": str(self._folder / "cache"),
            },
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def _prefix(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        if not SOCKET.is_socket():
            pytest.skip(f"an ordinary user reaches Docker by {SOCKET} only")
        closed = next((str(path) for path in _above(sys.base_prefix) if not _is_open(path)), "")
        return [
            "unshare", "--mount", "--propagation", "slave", "sh", "-c", SCRIPT, "sh",
            closed, sys.base_prefix,
            "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
            f"--groups={SOCKET.stat().st_gid}", "--inh-caps=-all", "--bounding-set=-all",
        ]  # fmt: skip


def _above(path: str) -> list[Path]:
    return [*reversed(Path(path).parents)]


def _is_open(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)
