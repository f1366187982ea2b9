"""A Docker daemon that may be stopped, killed and started again, beside the machine's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

PATIENCE_SECONDS = 120
#: Where daemons are, which not every user's PATH has.
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class DaemonFailed(Exception):
    """It did not begin to answer; the message is the end of its log."""


class Daemon:
    """A Docker daemon of its own, which may be stopped, killed and started again.

    Its containerd is a process beside it, as the services of a distribution have it: that one
    outlives a daemon that is killed, and its containers with it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self._containerd: subprocess.Popen[bytes] | None = None
        self._dockerd: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self._containerd is None:
            self._containerd = self._spawn(
                "containerd", "--root", f"{self.folder}/containerd", "--state",
                f"{self.folder}/state", "--address", f"{self.folder}/containerd.sock",
            )  # fmt: skip
        # In a network of its own: without a bridge it would remove that of the machine's daemon.
        self._dockerd = self._spawn(
            "unshare", "--net", "dockerd",
            "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec",
            "--pidfile", f"{self.folder}/pid", "--host", self.host,
            "--containerd", f"{self.folder}/containerd.sock",
            "--bridge", "none", "--iptables=false", "--ip6tables=false",
        )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.answers():
            if time.monotonic() > deadline or self._dockerd.poll() is not None:
                raise DaemonFailed((self.folder / "log").read_text()[-3000:])
            time.sleep(0.2)

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            environment = {**os.environ, "PATH": PATH}
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def answers(self) -> bool:
        return self.docker("info").returncode == 0

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the daemon, with its containers (TERM) or without (KILL)."""
        assert self._dockerd is not None
        self._dockerd.send_signal(number)
        self._dockerd.wait(PATIENCE_SECONDS)
        (self.folder / "pid").unlink(missing_ok=True)

    def cut_power(self) -> None:
        """End everything at once: daemon, containerd, and what runs in the containers."""
        assert self._containerd is not None
        mine = [process for process in psutil.process_iter(["cmdline"]) if self._is_mine(process)]
        for process in [*mine, *(child for shim in mine for child in _children(shim))]:
            with suppress(psutil.Error):
                process.kill()
        for parent in (self._dockerd, self._containerd):
            if parent is not None:
                parent.wait(PATIENCE_SECONDS)
        (self.folder / "pid").unlink(missing_ok=True)
        self._containerd = None

    def remove(self) -> None:
        """End it, and leave nothing of it."""
        self.cut_power()
        unmount(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_mine(self, process: psutil.Process) -> bool:
        return str(self.folder) in " ".join(process.info["cmdline"] or [])

    def docker(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["docker", "--host", self.host, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def containers(self) -> list[str]:
        return self.docker("ps", "--all", "--quiet").stdout.split()


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return list(process.children(recursive=True))
    return []


def unmount(folder: Path) -> None:
    """What containers that were killed left mounted below a folder."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((item for item in mounts if item.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False)  # noqa: S607
